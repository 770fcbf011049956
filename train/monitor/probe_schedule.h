// Which steps are probed, so that probes stay within their share of the run's time.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "train/plan.h"

namespace ktrain {

// A run of N steps may spend budget_pct % of N plain steps on probes. At the start `burst` probes
// are spread over burst_steps, as long as they take no more than half of that; then one every
// `interval` steps, or as many more as the rest of the budget asks, as measured. Every number that
// decides is given: tests give a clock of their own.
class ProbeSchedule {
 public:
  // `every_step`: no interval and no budget (profile surgery).
  ProbeSchedule(const MonitorPlan& plan, std::int64_t total_steps, bool every_step);

  // Whether step `step`, counted from 0, is probed. One that was passed over is made up for.
  [[nodiscard]] bool due(std::int64_t step) const { return every_step_ || step + 1 >= next_; }

  // What a probe measures beside its walk comes in turns, so that no probe takes everything at
  // once: whether the next probe is the one of `every` that stands at `turn` (0 for never; every =
  // 1: always).
  [[nodiscard]] bool turn(std::int64_t every, std::int64_t turn) const {
    return every > 0 && probes_ % every == turn % every;
  }
  // Whether the budget holds what costs `steps` plain steps at most, on top of a probe as they were
  // on the mean. Yes while no plain step has been timed, and without a budget.
  [[nodiscard]] bool affords(double steps) const;

  // What a step took that was not probed.
  void plain(double seconds);
  // What step `step` took, which was probed; decides when the next one is.
  void probed(std::int64_t step, double seconds);

  // Step `step` could not be probed.
  void skip(std::int64_t step) { next_ = step + 1 + interval_; }

  // Seconds that the last probe took beyond a plain step (the median of the last plain ones; 0
  // while none has been measured), and all probes together.
  [[nodiscard]] double last_cost() const { return last_cost_; }
  [[nodiscard]] double spent() const { return spent_; }
  [[nodiscard]] double plain_seconds() const;
  [[nodiscard]] std::int64_t probes() const { return probes_; }
  // Steps from the last probe to the next one.
  [[nodiscard]] std::int64_t interval() const { return interval_; }
  // Why the interval is longer than the plan's, "" when it is not; said once per change.
  [[nodiscard]] std::string take_notice();

  [[nodiscard]] nlohmann::json state() const;
  // Throws Fault KT-DATA-060 when it is damaged; then nothing has changed.
  void restore(const nlohmann::json& state);

 private:
  [[nodiscard]] double cost() const;  // mean and largest of the last ten
  [[nodiscard]] double worst() const;
  [[nodiscard]] double allowed() const;  // seconds for all probes
  [[nodiscard]] std::int64_t next_interval(std::int64_t done) const;

  MonitorPlan plan_;
  std::int64_t total_steps_;
  bool every_step_;
  std::int64_t next_ = 0;  // counted from 1
  std::int64_t interval_ = 0, told_ = 0, probes_ = 0;
  double spent_ = 0, last_cost_ = 0;
  std::deque<double> plain_, costs_;
  std::string notice_;
};

}  // namespace ktrain
