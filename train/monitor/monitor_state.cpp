// What the monitor says of itself, and how it goes from one process to the next.
#include <algorithm>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/monitor/json_place.h"
#include "train/monitor/monitor.h"

namespace ktrain {
namespace {

std::vector<std::string> loss_names(const ProbeAxis& axis) {
  std::vector<std::string> names;
  for (const AxisLoss& loss : axis.losses) names.push_back(loss.name);
  return names;
}

}  // namespace

ProbeAxis Monitor::plan_axis() const {
  std::vector<LossTerm> terms;
  for (const std::string& name : names_) terms.push_back({name, {}, 1.0});
  return make_axis(plan_.profile, terms, num_detection_);
}

std::string Monitor::heading(const Timeline& timeline) const {
  if (plan_.profile == "off") return "monitor   off";
  if (!active_)
    return fmt::format(
        "monitor   {}: nothing to compare, since no auxiliary loss is on; costs nothing",
        plan_.profile);
  const ProbeAxis axis = plan_axis();
  std::string what = fmt::format("monitor   {}: {} in {} layer groups", plan_.profile,
                                 fmt::join(loss_names(axis), ", "), groups_.all().size());
  const bool live = remedy_ && remedy_->live();
  if (live)
    what += fmt::format("; trains with a remedy, which costs {} trunk backwards a step",
                        axis.losses.size() - 1);
  else if (plan_.profile == "surgery")
    what += ", every step, whatever it costs";
  else
    what += fmt::format(", every {} steps, at most {:g} % of the run's time", plan_.interval,
                        plan_.budget_pct);
  return what + few_probes(timeline);
}

// Of a segment, which is an epoch at most, the alarm rule wants so many probes.
std::string Monitor::few_probes(const Timeline& timeline) const {
  const std::int64_t wanted = AlarmOptions{}.probes;
  std::int64_t steps = timeline.steps_per_epoch;
  if (steps_limit_ > 0) steps = std::min(steps, steps_limit_);
  const bool every = plan_.profile == "surgery";
  const std::int64_t later = every ? steps : steps / plan_.interval;
  std::int64_t first = later;
  if (!every && plan_.burst > 0) {
    const std::int64_t dense =
        std::min(plan_.interval, std::max<std::int64_t>(1, plan_.burst_steps / plan_.burst));
    first = std::min(plan_.burst, std::min(steps, plan_.burst_steps) / dense) +
            std::max<std::int64_t>(0, steps - plan_.burst_steps) / plan_.interval;
  }
  if (later >= wanted) return "";
  const std::string what = fmt::format(
      "\nmonitor   notice: an epoch of {} steps holds {} probes at most{}; the alarm rule wants {} "
      "of one epoch and cannot speak{}",
      steps, later, first > later ? fmt::format(" (the first {})", first) : "", wanted,
      first >= wanted ? " after the first" : "");
  if (steps < wanted) return what;
  return what + fmt::format("; monitor.interval = {} would reach them, within monitor.budget_pct",
                            steps / wanted);
}

std::string Monitor::summary() const {
  if (!active_ || !schedule_) return "";
  std::string text =
      fmt::format("monitor        {} probes ({}), ", schedule_->probes(), plan_.profile);
  const double plain = schedule_->plain_seconds();
  if (plain > 0)
    text += fmt::format("{:.1f} s beyond plain steps", schedule_->spent());
  else
    text += "no step without one, so what they cost is not known";
  if (plain > 0 && schedule_->probes() > 0)
    text += fmt::format(", {:.2f} of a step each",
                        schedule_->spent() / static_cast<double>(schedule_->probes()) / plain);
  text += ".\n";
  std::vector<std::string> counts;
  for (const auto& [level, count] : said_) counts.push_back(fmt::format("{} {}", count, level));
  const std::int64_t wanted = AlarmOptions{}.probes;
  text += most_probes_ < wanted
              ? fmt::format(
                    "               No alarm could be: its rule wants {} probes of one "
                    "epoch, at most {} were taken.\n",
                    wanted, most_probes_)
          : counts.empty() ? "               No alarm: its rule wants 20 probes of one epoch and a "
                             "band below -0.02.\n"
                           : fmt::format("               Said: {}.\n", fmt::join(counts, ", "));
  if (!last_alarm_.empty()) text += fmt::format("               Last: {}\n", last_alarm_);
  return text;
}

std::string Monitor::key_text() const {
  const ProbeAxis axis = plan_axis();
  // The last word tells how sketches are kept.
  return fmt::format("{} {} {} {} bf16", plan_.profile, fmt::join(loss_names(axis), ","),
                     plan_.sketch, plan_.window);
}

std::vector<NamedArray> Monitor::state() const {
  std::vector<NamedArray> arrays;
  if (sketches_) arrays = sketches_->state();
  if (remedy_)
    for (NamedArray& array : remedy_->state()) arrays.push_back(std::move(array));
  return arrays;
}

std::string Monitor::state_text() const {
  if (!active_) return "";
  nlohmann::json json = {
      {"key", key_text()},
      {"alarms", alarms_.state()},
      {"said", said_},
      {"last", last_alarm_},
      {"squares", squares_},
      {"self", self_},
      {"left_out", left_out_.state()},
      {"leave_out_next", leave_out_next_},
      {"segment_epoch", segment_epoch_},
      {"channels", channels_},
      {"counted", {{"epoch", counted_epoch_}, {"probes", epoch_probes_}, {"most", most_probes_}}}};
  if (schedule_)
    json["schedule"] = schedule_->state();
  else if (!pending_.empty())
    json["schedule"] = nlohmann::json::parse(pending_);
  if (sketches_) json["sketches"] = sketches_->numbers();
  if (remedy_) json["remedy"] = remedy_->state_text();
  for (const auto& [group, mean] : moments_) json["moments"][group] = {mean.detection, mean.total};
  return json.dump();
}

std::string Monitor::restore(const LoadedCheckpoint& from) {
  if (!active_) return "";
  const auto damaged = [&](const std::string& found) {
    throw_fault("KT-CKPT-003",
                "{}: the monitor's state in its metadata: {}; move the file away to go on from the "
                "checkpoint before it, or train with monitor.profile = \"off\"",
                from.path(), found);
  };
  try {
    return read_state(from);
  } catch (const nlohmann::json::exception& error) {
    damaged(error.what());
  } catch (const Fault& fault) {
    if (fault.id() != "KT-DATA-060") throw;
    damaged(fault.what());
  }
  return "";
}

std::string Monitor::read_state(const LoadedCheckpoint& from) {
  const std::string anew = "monitor   the run goes on under other monitor keys; windows begin anew";
  const auto metadata = from.metadata().find("monitor");
  // Empty where nothing was monitored.
  if (metadata == from.metadata().end() || metadata->second.empty()) {
    if (remedy_) remedy_->restore(from, "");
    return anew;
  }
  const LineName name{"monitor", 1};
  const MonitorJson json = parse_monitor_line(metadata->second, name);
  const JsonPlace place(json, name);
  if (remedy_) remedy_->restore(from, place.has("remedy") ? place.at("remedy").text() : "");
  // Under other keys too: the time that probes have taken is the run's.
  pending_.clear();
  if (place.has("schedule")) {
    pending_ = json.at("schedule").dump();
    ProbeSchedule(plan_, 1, false).restore(nlohmann::json::parse(pending_));
  }
  schedule_.reset();
  if (place.at("key").text() != key_text()) return anew;
  if (sketches_ && !sketches_->restore(from, json.at("sketches").get<std::vector<std::int64_t>>()))
    return anew;
  alarms_.restore(place.at("alarms").text());
  said_.clear();
  for (const auto& [level, count] : place.at("said").members()) said_[level] = count.whole(0);
  last_alarm_ = place.at("last").text();
  squares_.clear();
  for (const auto& [group, probes] : place.at("squares").members())
    for (const JsonPlace& probe : probes.entries())
      squares_[group].push_back(probe.numbers(plan_axis().losses.size()));
  self_.clear();
  for (const auto& [group, cosine] : place.at("self").members()) self_[group] = cosine.number();
  left_out_.restore(nlohmann::json(json.at("left_out")));
  leave_out_next_ = json.at("leave_out_next").get<bool>();
  segment_epoch_ = place.at("segment_epoch").whole(-1);
  channels_.clear();
  if (place.has("channels"))
    for (const JsonPlace& cell : place.at("channels").entries()) {
      if (cell.entries().size() != 2) cell.refuse("another list", "a group and a loss");
      channels_.emplace(cell.entries()[0].text(), cell.entries()[1].text());
    }
  if (place.has("counted")) {
    counted_epoch_ = place.at("counted").at("epoch").whole(0);
    epoch_probes_ = place.at("counted").at("probes").whole(0);
    most_probes_ = place.at("counted").at("most").whole(epoch_probes_);
  }
  moments_.clear();
  if (place.has("moments"))
    for (const auto& [group, mean] : place.at("moments").members()) {
      const std::vector<double> values = mean.numbers(2);
      moments_[group] = {values[0], values[1]};
    }
  return "";
}

}  // namespace ktrain
