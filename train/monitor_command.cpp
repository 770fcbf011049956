#include "train/monitor_command.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <ostream>
#include <set>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/monitor/alarm.h"
#include "train/monitor/json_place.h"
#include "train/monitor/quantities.h"
#include "train/monitor/summary.h"
#include "train/nearest.h"

namespace ktrain {
namespace {

using Json = nlohmann::ordered_json;

struct Point {
  std::int64_t step = 0, epoch = 0;
  double value = 0;
};
using SeriesByName = std::map<std::string, std::vector<Point>>;

std::string number(double value) { return Json(value).dump(); }  // brings the same double back

SeriesByName all_series(const MonitorLog& log) {
  SeriesByName all;
  for (const ProbeRecord& probe : log.probes)
    for (const Quantity& each : quantities(probe))
      all[each.name].push_back({probe.step, probe.epoch, each.value});
  for (const MonitorLine& line : log.others)
    for (const Quantity& each : quantities(line, log.file))
      all[each.name].push_back({line.step, line.epoch, each.value});
  return all;
}

// loss/macl_rel is logged with every step's losses, not with probes.
void add_scalars(const std::string& run, SeriesByName& all) {
  LineName name{run + "/scalars.jsonl", 0};
  std::ifstream file(name.file, std::ios::binary);
  for (std::string line; std::getline(file, line) && !file.eof();) {  // a torn line ends the file
    ++name.number;
    const MonitorJson json = parse_monitor_line(line, name);
    const JsonPlace place(json, name);
    if (place.has("macl_rel") && place.at("macl_rel").value().is_number())
      all["loss/macl_rel"].push_back(
          {place.at("step").whole(0), place.at("epoch").whole(0), place.at("macl_rel").number()});
  }
}

[[noreturn]] void unknown_quantity(const SeriesByName& all, const MonitorCommand& command) {
  std::vector<std::string_view> names;
  std::set<std::string> families;
  for (const auto& [name, points] : all) {
    names.push_back(name);
    families.insert(name.substr(0, name.find('/')) + "/*");
  }
  throw_fault("KT-CLI-006", "--quantity: found '{}', wanted a quantity of {}{}; it has {}",
              printable(command.quantity), printable(command.run, 400),
              did_you_mean(command.quantity, names), fmt::join(families, ", "));
}

void print_series(const SeriesByName& found, const MonitorCommand& command, std::ostream& out) {
  if (command.json) {
    Json json = Json::object();
    for (const auto& [name, points] : found) {
      json[name] = Json::array();
      for (const Point& point : points)
        json[name].push_back(
            {{"step", point.step}, {"epoch", point.epoch}, {"value", point.value}});
    }
    out << json.dump() << '\n';
    return;
  }
  std::size_t width = 8;
  for (const auto& [name, points] : found) width = std::max(width, name.size());
  if (command.csv)
    out << "step,epoch,quantity,value\n";
  else
    out << fmt::format("{:>8} {:>5}  {:<{}}  {:>13}\n", "step", "epoch", "quantity", width,
                       "value");
  for (const auto& [name, points] : found)
    for (const Point& point : points)
      out << (command.csv
                  ? fmt::format("{},{},{},{}\n", point.step, point.epoch, name, number(point.value))
                  : fmt::format("{:>8} {:>5}  {:<{}}  {:>13.6g}\n", point.step, point.epoch, name,
                                width, point.value));
}

std::vector<Alarm> alarms_of(const MonitorLog& log) {
  std::vector<Alarm> alarms;
  for (const MonitorLine& line : log.others)
    if (line.kind == "alarm") alarms.push_back(alarm_from_json(line.text, log.file, line.number));
  return alarms;
}

// The last message of every cell, in the order in which cells first spoke.
std::vector<Alarm> in_force(const std::vector<Alarm>& alarms) {
  std::vector<Alarm> last;
  for (const Alarm& alarm : alarms) {
    const auto same = std::find_if(last.begin(), last.end(), [&](const Alarm& other) {
      return other.group == alarm.group && other.loss == alarm.loss;
    });
    if (same == last.end())
      last.push_back(alarm);
    else
      *same = alarm;
  }
  std::erase_if(last, [](const Alarm& alarm) { return alarm.level == AlarmLevel::kClear; });
  return last;
}

// The last word on the channels of each cell in force, in the order of `open`.
std::vector<MonitorJson> channels_of(const MonitorLog& log, const std::vector<Alarm>& open) {
  std::vector<MonitorJson> all;
  for (const Alarm& alarm : open) {
    MonitorJson last;
    for (const MonitorLine& line : log.others) {
      if (line.kind != "channels") continue;
      const LineName name{log.file, line.number};
      MonitorJson json = parse_monitor_line(line.text, name);
      const JsonPlace place(json, name);
      if (place.at("group").text() != alarm.group || place.at("loss").text() != alarm.loss)
        continue;
      (void)place.at("layer").text();
      for (const JsonPlace& channel : place.at("channels").entries()) {
        (void)channel.at("channel").whole(0);
        (void)channel.at("dot").number();
        (void)channel.at("share").number();
      }
      last = std::move(json);
    }
    if (!last.is_null()) all.push_back(std::move(last));
  }
  return all;
}

std::string channels_text(const MonitorJson& line) {
  std::vector<std::string> parts;
  for (const MonitorJson& channel : line["channels"])
    parts.push_back(fmt::format("{} ({:.3g}, {:.0f} %)", channel["channel"].get<std::int64_t>(),
                                channel["dot"].get<double>(),
                                100 * channel["share"].get<double>()));
  return fmt::format("      {}, {}, step {}: {}\n", line["loss"].get<std::string>(),
                     line["layer"].get<std::string>(), line["step"].get<std::int64_t>(),
                     parts.empty() ? "no channel is against detection"
                                   : fmt::format("{}", fmt::join(parts, ", ")));
}

// The largest number of probes that one epoch has.
std::int64_t most_of_an_epoch(const MonitorLog& log) {
  std::map<std::int64_t, std::int64_t> counts;
  std::int64_t most = 0;
  for (const ProbeRecord& probe : log.probes) most = std::max(most, ++counts[probe.epoch]);
  return most;
}

Json json_of(const HarmCell& cell) {
  return {{"group", cell.group},
          {"loss", cell.loss},
          {"mean_pcos", cell.mean},
          {"lo", cell.lo},
          {"hi", cell.hi},
          {"r1", cell.r1},
          {"n", cell.n},
          {"tax", cell.tax ? Json(*cell.tax) : Json(nullptr)},
          {"verdict", verdict_name(cell.verdict)},
          {"reason", cell.reason}};
}

void summary_json(const MonitorLog& log, const std::vector<HarmCell>& cells, std::ostream& out) {
  Json json{{"run", log.file},
            {"probes", log.probes.size()},
            {"first_step", log.probes.front().step},
            {"last_step", log.probes.back().step},
            {"losses", log.probes.back().losses},
            {"cells", Json::array()},
            {"alarms_in_force", Json::array()},
            {"channels", channels_of(log, in_force(alarms_of(log)))},
            {"most_probes_of_an_epoch", most_of_an_epoch(log)}};
  for (const HarmCell& cell : cells) json["cells"].push_back(json_of(cell));
  for (const Alarm& alarm : in_force(alarms_of(log)))
    json["alarms_in_force"].push_back({{"level", level_name(alarm.level)},
                                       {"step", alarm.step},
                                       {"group", alarm.group},
                                       {"loss", alarm.loss},
                                       {"text", alarm.text}});
  out << json.dump() << '\n';
}

void summary_csv(const std::vector<HarmCell>& cells, std::ostream& out) {
  out << "group,loss,mean_pcos,lo,hi,r1,n,tax,verdict,reason\n";
  for (const HarmCell& cell : cells)
    out << fmt::format("{},{},{},{},{},{},{},{},{},{}\n", cell.group, cell.loss, number(cell.mean),
                       number(cell.lo), number(cell.hi), number(cell.r1), cell.n,
                       cell.tax ? number(*cell.tax) : "", verdict_name(cell.verdict), cell.reason);
}

void summary_text(const MonitorLog& log, const std::vector<HarmCell>& cells, std::ostream& out) {
  const ProbeRecord &first = log.probes.front(), &last = log.probes.back();
  double seconds = 0;
  for (const ProbeRecord& probe : log.probes) seconds += probe.seconds;
  out << fmt::format("log       {}{}\n", log.file, log.torn ? " (a line is being written)" : "")
      << fmt::format("probes    {}, steps {} to {}, epochs {} to {}, {}\n", log.probes.size(),
                     first.step, last.step, first.epoch, last.epoch,
                     // Where every step is probed there is no plain one to compare with.
                     seconds > 0 ? fmt::format("{:.3f} s each",
                                               seconds / static_cast<double>(log.probes.size()))
                                 : "their cost was not measured")
      << fmt::format("losses    {}\n", fmt::join(last.losses, ", "));
  if (const std::int64_t most = most_of_an_epoch(log); most < AlarmOptions{}.probes)
    out << fmt::format(
        "alarms    cannot be: the rule wants {} probes of one epoch, no epoch has "
        "more than {}\n",
        AlarmOptions{}.probes, most);
  out << '\n';
  std::size_t group_width = 5, loss_width = 4;
  for (const HarmCell& cell : cells) {
    group_width = std::max(group_width, cell.group.size());
    loss_width = std::max(loss_width, cell.loss.size());
  }
  out << "Who hurts detection: preconditioned cosine with detection's gradient, mean over the run\n"
      << fmt::format("{:<{}}  {:<{}}  {:>9}  {:>17}  {:>7}  {:>5}  {}\n", "group", group_width,
                     "loss", loss_width, "mean pcos", "interval", "tax %", "n", "verdict");
  for (const HarmCell& cell : cells)
    out << fmt::format(
        "{:<{}}  {:<{}}  {:>+9.3f}  {:>17}  {:>7}  {:>5}  {}{}\n", cell.group, group_width,
        cell.loss, loss_width, cell.mean, fmt::format("{:+.3f} {:+.3f}", cell.lo, cell.hi),
        cell.tax ? fmt::format("{:+.1f}", 100 * *cell.tax) : "-", cell.n,
        verdict_name(cell.verdict), cell.reason.empty() ? "" : " (" + cell.reason + ")");
  out << "\nconflict: the interval lies below -0.02; none: it lies above; grey: it does not "
         "decide.\n"
         "Intervals hold for all rows together, at 95 % on each side, at every number of probes.\n"
         "tax: the part of detection's first-order progress that the loss cancels, median.\n";
  const std::vector<Alarm> open = in_force(alarms_of(log));
  out << fmt::format("\nalarms in force: {}\n", open.empty() ? "none" : "");
  for (const Alarm& alarm : open)
    out << fmt::format("{:<5} step {}: {}\n", level_name(alarm.level), alarm.step, alarm.text);
  const std::vector<MonitorJson> channels = channels_of(log, open);
  if (channels.empty()) return;
  out << "\nchannels of the group's last convolution that are most against detection: number "
         "(product of gradients, part of all that are against it)\n";
  for (const MonitorJson& line : channels) out << channels_text(line);
}

}  // namespace

int run_monitor(const MonitorCommand& command, std::ostream& out) {
  if (command.csv && command.json)
    throw_fault("KT-CLI-001", "found --csv and --json, wanted one of them");
  const MonitorLog log = read_monitor_log(command.run);
  if (!command.quantity.empty()) {
    SeriesByName all = all_series(log);
    add_scalars(command.run, all);
    SeriesByName found;
    for (const auto& [name, points] : all)
      if (matches(command.quantity, name)) found[name] = points;
    if (found.empty()) unknown_quantity(all, command);
    print_series(found, command, out);
    return 0;
  }
  if (log.probes.empty())
    throw_fault("KT-DATA-062", "{}: found no probe, wanted at least one", log.file);
  const std::vector<HarmCell> cells = who_hurts_whom(log.probes);
  if (command.json)
    summary_json(log, cells, out);
  else if (command.csv)
    summary_csv(cells, out);
  else
    summary_text(log, cells, out);
  return 0;
}

}  // namespace ktrain
