#include "train/replay_command.h"

#include <algorithm>
#include <ostream>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/monitor/probe_json.h"
#include "train/monitor/replay.h"
#include "train/nearest.h"

namespace ktrain {
namespace {

using Json = nlohmann::ordered_json;

RemedyOptions options_of(const ReplayCommand& command) {
  const auto kind = find_remedy(command.remedy);
  if (!kind)
    throw_fault("KT-CLI-001", "--remedy: found '{}', wanted one of {}{}", printable(command.remedy),
                fmt::join(remedy_names(), ", "), did_you_mean(command.remedy, remedy_names()));
  if (command.metric != "raw" && command.metric != "preconditioned")
    throw_fault("KT-CLI-001", "--metric: found '{}', wanted raw or preconditioned",
                printable(command.metric));
  if (*kind == RemedyKind::kCut && command.cut.empty())
    throw_fault("KT-CLI-001",
                "--remedy cut: found no group, wanted --cut with one, as --cut visible.stem");
  if (!(command.cut_scale >= 0 && command.cut_scale <= 1))
    throw_fault("KT-CLI-001", "--cut-scale: found {}, wanted 0 to 1", command.cut_scale);
  RemedyOptions options;
  options.kind = *kind;
  options.preconditioned = command.metric == "preconditioned";
  options.seed = command.seed;
  options.cut_groups = command.cut;
  options.cut_scale = command.cut_scale;
  return options;
}

// A group that --cut names and no probe has would cut nothing.
void check_cut(const ReplayCommand& command, const MonitorLog& log) {
  std::vector<std::string_view> names;
  for (const GroupGram& group : log.probes.back().groups) {
    names.push_back(group.group);
    names.push_back(std::string_view(group.group).substr(0, group.group.find('.')));
  }
  for (const std::string& wanted : command.cut)
    if (std::find(names.begin(), names.end(), wanted) == names.end())
      throw_fault("KT-CLI-001", "--cut: found '{}', wanted a layer group of {}{}",
                  printable(wanted), log.file, did_you_mean(wanted, names));
}

Json json_of(const std::optional<Interval>& mean) {
  if (!mean) return nullptr;
  return {{"mean", mean->value}, {"lo", mean->lo}, {"hi", mean->hi}, {"n", mean->n}};
}

void print_json(const Replay& found, const ReplayCommand& command, const MonitorLog& log,
                std::int64_t left_out, std::ostream& out) {
  Json json{{"run", log.file},        {"remedy", command.remedy}, {"metric", command.metric},
            {"probes", found.probes}, {"changed", found.changed}, {"left_out", left_out},
            {"losses", found.losses}, {"groups", Json::array()},  {"effects", Json::array()}};
  for (const ReplayGroup& group : found.groups) {
    Json at{{"group", group.group},
            {"share", group.share},
            {"probes", group.probes},
            {"changed", group.changed},
            {"weights", Json::object()},
            {"progress_before", json_of(group.before)},
            {"progress_after", json_of(group.after)},
            {"gain", json_of(group.gain)}};
    for (std::size_t k = 0; k < found.losses.size(); ++k)
      at["weights"][found.losses[k]] = json_of(group.weights[k]);
    json["groups"].push_back(std::move(at));
  }
  for (const ReplayLoss& loss : found.effects)
    json["effects"].push_back({{"loss", loss.loss},
                               {"before", json_of(loss.before)},
                               {"after", json_of(loss.after)},
                               {"difference", json_of(loss.difference)}});
  out << json.dump() << '\n';
}

std::string percent_interval(const std::optional<Interval>& mean) {
  return mean ? fmt::format("{:+.1f} ({:+.1f} {:+.1f})", 100 * mean->value, 100 * mean->lo,
                            100 * mean->hi)
              : "-";
}

std::optional<Interval> tax_of(const std::optional<Interval>& progress) {
  if (!progress) return {};
  return Interval{1 - progress->value, 1 - progress->hi, 1 - progress->lo, progress->n};
}

std::string change(const std::optional<Interval>& mean) {
  return mean ? fmt::format("{:+.3e} ({:+.1e} {:+.1e})", mean->value, mean->lo, mean->hi) : "-";
}

void print_text(const Replay& found, const ReplayCommand& command, const MonitorLog& log,
                std::int64_t left_out, std::ostream& out) {
  out << fmt::format("log       {}\nremedy    {}, {} metric\n", log.file, command.remedy,
                     command.metric)
      << fmt::format("probes    {}, changed {} ({:.0f} %)\n", found.probes, found.changed,
                     found.probes > 0 ? 100.0 * static_cast<double>(found.changed) /
                                            static_cast<double>(found.probes)
                                      : 0.0);
  if (left_out > 0)
    out << fmt::format("left out  {} probes of other losses than the last one's\n", left_out);
  std::size_t width = 5;
  for (const ReplayGroup& group : found.groups) width = std::max(width, group.group.size() + 1);
  out << fmt::format("\n{:<{}}  {:>5}  {:>9}  {:>24}  {:>24}  {:>24}  {}\n", "group", width, "n",
                     "changed %", "tax before %", "tax after %", "progress gained %",
                     "effective weights");
  for (const ReplayGroup& group : found.groups) {
    std::string weights;
    for (std::size_t k = 0; k < found.losses.size(); ++k)
      if (group.weights[k])
        weights +=
            fmt::format("{}{} {:.4g} ({:.4g} {:.4g})", weights.empty() ? "" : ", ", found.losses[k],
                        group.weights[k]->value, group.weights[k]->lo, group.weights[k]->hi);
    out << fmt::format(
        "{:<{}}  {:>5}  {:>9}  {:>24}  {:>24}  {:>24}  {}\n",
        group.group + (group.share ? "*" : ""), width, group.probes,
        group.probes > 0 ? fmt::format("{:.0f}", 100.0 * static_cast<double>(group.changed) /
                                                     static_cast<double>(group.probes))
                         : "-",
        percent_interval(tax_of(group.before)), percent_interval(tax_of(group.after)),
        percent_interval(group.gain), weights.empty() ? "-" : weights);
  }
  out << fmt::format("\n{:<{}}  {:>32}  {:>32}  {:>32}\n", "loss", width,
                     "predicted change per step", "with the remedy", "difference");
  for (const ReplayLoss& loss : found.effects)
    out << fmt::format("{:<{}}  {:>32}  {:>32}  {:>32}\n", loss.loss, width, change(loss.before),
                       change(loss.after), change(loss.difference));
  out << "\nMeans over probes with 95 % intervals, each row by itself. tax: the part of "
         "detection's\n"
         "first-order progress that the other losses cancel; progress gained: tax before - after.\n"
         "This is what the remedy would have made of these very gradients, one step at a time, at\n"
         "the clip coefficients that were applied; not where another run would have gone.\n";
  if (command.remedy == "pc_asym")
    out << "pc_asym stands for itself with detection's gradient of the same step as reference: "
           "the\n"
           "running mean that it uses in training is not stored.\n";
  if (command.remedy == "gate" || command.remedy == "gradvac" || command.remedy == "gradnorm")
    out << command.remedy
        << " remembers from probe to probe here, from step to step in training.\n";
  if (std::any_of(found.groups.begin(), found.groups.end(),
                  [](const ReplayGroup& group) { return group.share; }))
    out << "*: one stream's part of weights that both share; left out of the predicted changes.\n";
}

}  // namespace

int run_replay(const ReplayCommand& command, std::ostream& out) {
  const RemedyOptions options = options_of(command);
  const MonitorLog log = read_monitor_log(command.run);
  std::int64_t left_out = 0;
  if (!log.probes.empty()) check_cut(command, log);
  const Replay found = replay(log.probes, options, log.file, left_out);
  if (command.json)
    print_json(found, command, log, left_out, out);
  else
    print_text(found, command, log, left_out, out);
  return 0;
}

}  // namespace ktrain
