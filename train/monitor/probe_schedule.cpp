#include "train/monitor/probe_schedule.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "train/monitor/json_place.h"

namespace ktrain {
namespace {

constexpr std::size_t kPlainKept = 31, kCostsKept = 10;

double median(const std::deque<double>& values) {
  if (values.empty()) return 0;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted[sorted.size() / 2];
}

void keep(std::deque<double>& values, double value, std::size_t most) {
  values.push_back(value);
  if (values.size() > most) values.pop_front();
}

}  // namespace

ProbeSchedule::ProbeSchedule(const MonitorPlan& plan, std::int64_t total_steps, bool every_step)
    : plan_(plan), total_steps_(total_steps), every_step_(every_step) {
  interval_ = every_step       ? 1
              : plan.burst > 0 ? std::min(plan.interval,
                                          std::max<std::int64_t>(1, plan.burst_steps / plan.burst))
                               : plan.interval;
  next_ = interval_;
}

void ProbeSchedule::plain(double seconds) { keep(plain_, seconds, kPlainKept); }

double ProbeSchedule::plain_seconds() const { return median(plain_); }
// Probes differ: some measure more than others, in turns.
double ProbeSchedule::cost() const {
  double sum = 0;
  for (const double cost : costs_) sum += cost;
  return costs_.empty() ? 0 : sum / static_cast<double>(costs_.size());
}

double ProbeSchedule::worst() const {
  return costs_.empty() ? 0 : *std::max_element(costs_.begin(), costs_.end());
}

void ProbeSchedule::probed(std::int64_t step, double seconds) {
  last_cost_ = plain_.empty() ? 0 : std::max(0.0, seconds - plain_seconds());
  if (!plain_.empty()) keep(costs_, last_cost_, kCostsKept);
  spent_ += last_cost_;
  ++probes_;
  if (every_step_) return;
  const std::int64_t done = step + 1;
  interval_ = next_interval(done);
  next_ = done + interval_;
}

double ProbeSchedule::allowed() const {
  return plan_.budget_pct / 100 * plain_seconds() * static_cast<double>(total_steps_);
}

bool ProbeSchedule::affords(double steps) const {
  return every_step_ || plain_.empty() || spent_ + cost() + steps * plain_seconds() <= allowed();
}

std::int64_t ProbeSchedule::next_interval(std::int64_t done) const {
  const double allowed = this->allowed();
  const std::int64_t dense =
      plan_.burst > 0 ? std::max<std::int64_t>(1, plan_.burst_steps / plan_.burst) : plan_.interval;
  const bool burst = probes_ < plan_.burst && done + dense <= plan_.burst_steps;
  if (burst && (costs_.empty() || spent_ + worst() <= allowed / 2))
    return std::min(plan_.interval, dense);
  const std::int64_t left = total_steps_ - done;
  if (costs_.empty() || left <= 0) return plan_.interval;
  // Never again, when not even one more can be afforded.
  if (spent_ + worst() > allowed) return std::max(plan_.interval, left + 1);
  if (cost() <= 0) return plan_.interval;
  const double per_step = (allowed - spent_) / static_cast<double>(left);
  return std::max(plan_.interval, static_cast<std::int64_t>(std::ceil(cost() / per_step)));
}

std::string ProbeSchedule::take_notice() {
  if (every_step_ || interval_ <= plan_.interval || told_ == interval_) return "";
  const bool first = told_ == 0;
  told_ = interval_;
  // Small changes are in the records; the console hears of the first and of doublings.
  if (!first && interval_ < 2 * plan_.interval) return "";
  return fmt::format(
      "a probe costs {:.2f} of a step; the next one comes after {} steps instead of {}, to stay "
      "within {:g} % of the run's time",
      cost() / std::max(plain_seconds(), 1e-12), interval_, plan_.interval, plan_.budget_pct);
}

nlohmann::json ProbeSchedule::state() const {
  return {{"next", next_},   {"interval", interval_}, {"told", told_},   {"probes", probes_},
          {"spent", spent_}, {"plain", plain_},       {"costs", costs_}, {"last", last_cost_}};
}

void ProbeSchedule::restore(const nlohmann::json& state) {
  const LineName name{"the probes' schedule", 1};
  const MonitorJson json(state);
  const JsonPlace place(json, name);
  const auto seconds = [](const JsonPlace& at) {
    const double value = at.number();
    if (value < 0) at.refuse(fmt::format("{}", value), "seconds from 0");
    return value;
  };
  const auto list = [&](const char* key, std::size_t most) {
    std::deque<double> values;
    for (const JsonPlace& entry : place.at(key).entries()) values.push_back(seconds(entry));
    if (values.size() > most)
      place.at(key).refuse(fmt::format("{} values", values.size()),
                           fmt::format("at most {}", most));
    return values;
  };
  ProbeSchedule read = *this;
  read.next_ = place.at("next").whole(1);
  read.interval_ = place.at("interval").whole(1);
  read.told_ = place.at("told").whole(0);
  read.probes_ = place.at("probes").whole(0);
  read.spent_ = seconds(place.at("spent"));
  read.plain_ = list("plain", kPlainKept);
  read.costs_ = list("costs", kCostsKept);
  read.last_cost_ = seconds(place.at("last"));
  *this = std::move(read);
}

}  // namespace ktrain
