// One training step: forward, losses, backward, clip, update. The detector, its optimizer and the
// average of its weights live here.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/detector.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/plan.h"
#include "train/schedule.h"
#include "train/weight_average.h"

namespace ktrain {

// In the order of LossTerm lists.
inline constexpr std::array<std::string_view, 4> kLossNames = {"rpn_cls", "rpn_bbox", "roi_cls",
                                                               "roi_bbox"};

struct StepReport {
  ObjectiveValues values;
  double learning_rate = 0;
  double gradient_norm = 0;  // before clipping
};

class TrainingStep {
 public:
  TrainingStep(const ContextPtr& context, const Plan& plan);

  // `step` counts from 0. Throws Fault KT-NUM-* when a loss or a gradient is not finite; then no
  // weight has been changed. `pair_ids` are for its message.
  StepReport run(const DetectorInput& input, const Timeline& timeline, std::int64_t step,
                 const std::vector<std::string>& pair_ids);

  [[nodiscard]] const ContextPtr& context() const { return context_; }
  [[nodiscard]] ParameterSet& parameters() { return *parameters_; }
  [[nodiscard]] const ParameterSet& parameters() const { return *parameters_; }
  [[nodiscard]] const TwoStreamDetector& detector() const { return *detector_; }
  [[nodiscard]] Optimizer& optimizer() { return *optimizer_; }
  [[nodiscard]] const Optimizer& optimizer() const { return *optimizer_; }
  // nullptr when the plan has none.
  [[nodiscard]] WeightAverage* average() { return average_ ? &*average_ : nullptr; }
  [[nodiscard]] const WeightAverage* average() const { return average_ ? &*average_ : nullptr; }

 private:
  [[nodiscard]] std::vector<LossTerm> terms(const DetectorLosses& losses, const Timeline& timeline,
                                            std::int64_t step) const;

  ContextPtr context_;
  Plan plan_;
  std::unique_ptr<ParameterSet> parameters_;
  std::optional<TwoStreamDetector> detector_;
  std::optional<Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
};

}  // namespace ktrain
