// AlarmRule as JSON: everything that the next probe's answer depends on.
#include <fmt/format.h>

#include "train/monitor/alarm.h"
#include "train/monitor/json_place.h"

namespace ktrain {
namespace {

MonitorJson json_of(const SeriesMoments::State& s) {
  return {s.n, s.first, s.last, s.sum, s.squares, s.lag, s.steps};
}

SeriesMoments read_moments(const JsonPlace& place) {
  const std::vector<double> x = place.numbers(7);
  const std::int64_t n = place.entries()[0].whole(0);
  if (x[4] < 0 || x[6] < 0) place.refuse("a sum of squares below 0", "0 or more");
  return SeriesMoments({n, x[1], x[2], x[3], x[4], x[5], x[6]});
}

}  // namespace

std::string AlarmRule::state() const {
  MonitorJson json{{"cells", MonitorJson::array()},
                   {"cross_batch", MonitorJson::array()},
                   {"leave_one_out", MonitorJson::array()},
                   {"null", MonitorJson::array()}};
  for (const auto& [key, cell] : cells_)
    json["cells"].push_back({{"group", key.first},
                             {"loss", key.second},
                             {"cosines", json_of(cell.cosines.state())},
                             {"conflicts", cell.conflicts},
                             {"harmful", cell.harmful},
                             {"steps", cell.steps},
                             {"taxes", cell.taxes},
                             {"low_tax", cell.low_tax},
                             {"cusum", cell.cusum.state().sum},
                             {"cusum_start", cell.cusum.state().start},
                             {"onset", cell.cusum.state().onset},
                             {"early", cell.early},
                             {"first_step", cell.first_step},
                             {"epoch", cell.epoch},
                             {"weight", cell.weight},
                             {"lr", cell.learning_rate},
                             {"level", static_cast<int>(cell.level)}});
  for (const auto& [key, cross] : cross_batch_)
    json["cross_batch"].push_back({{"group", key.first},
                                   {"loss", key.second},
                                   {"below_noise", cross.below_noise},
                                   {"lo", cross.lo},
                                   {"hi", cross.hi}});
  for (const auto& [loss, ends] : leave_one_out_)
    json["leave_one_out"].push_back({{"loss", loss}, {"lo", ends.first}, {"hi", ends.second}});
  for (const auto& [group, null] : null_)
    json["null"].push_back({{"group", group}, {"hits", null.hits}, {"n", null.n}});
  return json.dump();
}

void AlarmRule::restore(std::string_view state) {
  const LineName name{"the monitor's state", 1};
  const MonitorJson json = parse_monitor_line(state, name);
  const JsonPlace place(json, name);
  AlarmRule read(options_);
  for (const JsonPlace& at : place.at("cells").entries()) {
    Cell cell;
    cell.cosines = read_moments(at.at("cosines"));
    cell.conflicts = at.at("conflicts").whole(0);
    cell.harmful = at.at("harmful").whole(0);
    cell.steps = at.at("steps").whole(0);
    for (const JsonPlace& tax : at.at("taxes").entries()) cell.taxes.push_back(tax.number());
    if (cell.conflicts > cell.cosines.n())
      at.at("conflicts").refuse(std::to_string(cell.conflicts), "at most the number of cosines");
    if (cell.harmful > cell.steps)
      at.at("harmful").refuse(std::to_string(cell.harmful), "at most 'steps'");
    if (static_cast<std::int64_t>(cell.taxes.size()) > options_.probes)
      at.at("taxes").refuse(fmt::format("{} values", cell.taxes.size()),
                            fmt::format("at most {}", options_.probes));
    cell.low_tax = at.at("low_tax").whole(0);
    cell.cusum.restore(
        {at.at("cusum").number(), at.at("cusum_start").whole(0), at.at("onset").whole(0)});
    for (const JsonPlace& early : at.at("early").entries()) {
      const double cosine = early.numbers(2)[1];
      cell.early.emplace_back(early.entries()[0].whole(1), cosine);
    }
    cell.first_step = at.at("first_step").whole(0);
    cell.epoch = at.at("epoch").whole(0);
    cell.weight = at.at("weight").number();
    cell.learning_rate = at.at("lr").number();
    const std::int64_t level = at.at("level").whole(0);
    if (level > static_cast<int>(AlarmLevel::kAlarm))
      at.at("level").refuse(std::to_string(level), "0 to 3");
    cell.level = static_cast<AlarmLevel>(level);
    read.cells_[{at.at("group").text(), at.at("loss").text()}] = cell;
  }
  for (const JsonPlace& at : place.at("cross_batch").entries()) {
    if (!at.at("below_noise").value().is_boolean())
      at.at("below_noise").refuse("something else", "true or false");
    read.cross_batch_[{at.at("group").text(), at.at("loss").text()}] = {
        at.at("below_noise").value().get<bool>(), at.at("lo").number(), at.at("hi").number()};
  }
  for (const JsonPlace& at : place.at("leave_one_out").entries())
    read.leave_one_out_[at.at("loss").text()] = {at.at("lo").number(), at.at("hi").number()};
  for (const JsonPlace& at : place.at("null").entries()) {
    const Proportion null{at.at("hits").whole(0), at.at("n").whole(0)};
    if (null.hits > null.n) at.at("hits").refuse(std::to_string(null.hits), "at most n");
    read.null_[at.at("group").text()] = null;
  }
  *this = std::move(read);
}

}  // namespace ktrain
