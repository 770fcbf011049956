#include "train/experiment/dry_run.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "kernels/profile.h"
#include "train/experiment/planned_power.h"
#include "train/experiment/runner.h"
#include "train/run_setup.h"

namespace ktrain::experiment {
namespace {

constexpr std::int64_t kWarmUp = 3, kTimed = 20;

struct Cost {
  std::int64_t steps = 0;
  double step_seconds = 0, setup_seconds = 0, validation_seconds = 0;
  [[nodiscard]] double seconds() const {
    return setup_seconds + static_cast<double>(steps) * step_seconds + validation_seconds;
  }
};

// One run of this cell, from random weights.
Cost measure_cost(const Cell& cell, const Notice& notice) {
  Cost cost;
  double begin = monotonic_seconds();
  const auto lap = [&] {
    const double now = monotonic_seconds(), seconds = now - begin;
    begin = now;
    return seconds;
  };
  RunSetup setup(load_plan(cell.plan, cell.set), notice);
  cost.steps = setup.total_steps();
  cost.setup_seconds = lap();
  setup.seek(0);
  const auto train = [&](std::int64_t step) {
    StepReport report = setup.train_step(step);
    setup.training().finish(report);
  };
  for (std::int64_t step = 0; step < kWarmUp; ++step) train(step);
  (void)lap();
  for (std::int64_t step = kWarmUp; step < kWarmUp + kTimed; ++step) train(step);
  cost.step_seconds = lap() / static_cast<double>(kTimed);
  (void)setup.detect();
  cost.validation_seconds = lap();
  return cost;
}

const Cell& treated(const Design& design, const std::vector<Cell>& cells) {
  const auto at = std::find_if(cells.begin(), cells.end(), [&](const Cell& cell) {
    return cell.quality == design.roles.poor && cell.arm == design.roles.treatment;
  });
  KT_CHECK(at != cells.end(), "dry run: the treatment is not among the runs");
  return *at;
}

}  // namespace

void dry_run(const Design& design, const std::vector<Cell>& cells, const std::string& runs,
             Console& console) {
  const Notice notice = [&](const std::string& line) { console.text("notice    " + line); };
  check_plans(cells);
  const RunCount count = count_runs(cells);
  const Cost warm = measure_cost(cells[0], notice);
  const Cost arm = measure_cost(treated(design, cells), notice);
  double left = 0;
  std::int64_t steps = 0;
  for (const Cell& cell : cells) {
    if (state_of(cell) != CellState::kMissing) continue;
    left += (cell.warm() ? warm : arm).seconds();
    steps += (cell.warm() ? warm : arm).steps;
  }
  console.result(fmt::format("design    {} ({})\n", design.name, design.file) +
                 fmt::format("runs      {} in {}: {} done, {} failed\n", count.all,
                             experiment_folder(design, runs), count.done, count.failed));
  for (const Arm& arm_of : design.arms)
    console.result(fmt::format("  {:<16} {:>2} seeds  {}  {}", arm_of.name, arm_of.seeds,
                               fmt::join(arm_of.qualities, " "), arm_of.text));
  console.result("\npower     " + planned_text(design));
  console.result(fmt::format(
      "\nwarm      {} steps of {:.3f} s, {:.1f} s around them, {:.1f} s of validation\n"
      "arm       {} steps of {:.3f} s, {:.1f} s around them, {:.1f} s of validation\n"
      "left      {} steps, about {} on this machine as busy as it is now\n"
      "dry run   nothing was trained; data sets that were missing have been drawn",
      warm.steps, warm.step_seconds, warm.setup_seconds, warm.validation_seconds, arm.steps,
      arm.step_seconds, arm.setup_seconds, arm.validation_seconds, steps, duration_text(left)));
  console.record(nlohmann::ordered_json{
      {"kind", "dry_run"},
      {"runs", count.all},
      {"done", count.done},
      {"failed", count.failed},
      {"steps_left", steps},
      {"seconds_left",
       left}}.dump());
}

}  // namespace ktrain::experiment
