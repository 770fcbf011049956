// Learning rate and loss weights as pure functions of the step. Nothing is remembered between
// steps, so a resumed run sees what an uninterrupted one would. Steps and epochs count from 0 here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/plan.h"

namespace ktrain {

// How long a run is.
struct Timeline {
  std::int64_t epochs = 1, steps_per_epoch = 1;

  [[nodiscard]] std::int64_t steps() const { return epochs * steps_per_epoch; }
  [[nodiscard]] std::int64_t epoch_of(std::int64_t step) const { return step / steps_per_epoch; }
};

// The rate of the optimiser in `step`, before multipliers: warm-up factor times main schedule.
//   warm-up    factor + (1 - factor) step / (W - 1) for step < W, then 1
//   constant   lr
//   cosine     min + (lr - min) (1 + cos(pi p / (end - begin))) / 2, where p is the number of units
//              (epochs or steps) since begin, held inside [0, end - begin - 1]
//   multistep  lr gamma^k, k the number of milestones that lie at or before the unit
// With begin 1 and unit epoch the first two epochs run at full rate, as MMEngine's
// CosineAnnealingLR(by_epoch) does.
[[nodiscard]] double learning_rate(const SchedulePlan& plan, const Timeline& timeline, double lr,
                                   std::int64_t step);

// Position `step`, or step / steps_per_epoch when the schedule counts epochs.
[[nodiscard]] double weight_at(const WeightSchedule& schedule, const Timeline& timeline,
                               std::int64_t step);

// What --dry-run prints: rates by epoch, and a curve for everything that moves. ASCII.
[[nodiscard]] std::string schedules_text(const Plan& plan, const Timeline& timeline);

// `values` as `rows` lines of `columns` characters, the range at the left.
[[nodiscard]] std::string draw_curve(const std::vector<double>& values, int rows, int columns);

}  // namespace ktrain
