// One training step: forward, losses, backward, clip, update. The detector, the auxiliary losses,
// the optimizer and the average of the weights live here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/detector.h"
#include "train/auxiliary_terms.h"
#include "train/connectivity.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/plan.h"
#include "train/schedule.h"
#include "train/weight_audit.h"
#include "train/weight_average.h"

namespace ktrain {

// What one step trains on.
struct StepInput {
  const DetectorInput& batch;
  Timeline timeline;
  std::int64_t step = 0;              // from 0
  std::vector<std::string> pair_ids;  // for messages
};

struct StepReport {
  ObjectiveValues values;  // in the order of TrainingStep::loss_names
  double learning_rate = 0;
  double gradient_norm = 0;      // before clipping
  std::vector<SideNumber> side;  // of the auxiliary losses; read by whoever logs them
  // Terms that met no pair in this step, and are worth 0 therefore.
  std::vector<std::string> without_rows;
  std::optional<WeightAudit> audit;  // in the steps where one is due (train/weight_audit.h)
};

// What a forward pass leaves: the terms with their history, and what came with them.
struct ForwardPass {
  std::vector<LossTerm> terms;  // in the order of the names, with the weights of the step
  std::vector<AuxiliaryResult> auxiliary;
  std::vector<Tensor> pyramids;  // of both streams and fused; for ConnectivityWatch alone
};

class TrainingStep {
 public:
  // `make` and `form` are for tests: terms that no plan has, and totals that are wrong.
  TrainingStep(const ContextPtr& context, const Plan& plan,
               const AuxiliaryFactory& make = make_auxiliary,
               const TotalFunction& form = form_total);

  // Throws Fault KT-NUM-* when a loss or a gradient is not finite; then no weight has been changed.
  StepReport run(const StepInput& input);

  // The terms of the total, the detector's four first, then macl, dhn, domain as far as they are
  // on.
  [[nodiscard]] const std::vector<std::string>& loss_names() const { return loss_names_; }

  [[nodiscard]] const ContextPtr& context() const { return context_; }
  [[nodiscard]] ParameterSet& parameters() { return *parameters_; }
  [[nodiscard]] const ParameterSet& parameters() const { return *parameters_; }
  [[nodiscard]] const TwoStreamDetector& detector() const { return *detector_; }
  [[nodiscard]] const AuxiliaryLosses& auxiliary() const { return auxiliary_.losses; }
  [[nodiscard]] Optimizer& optimizer() { return *optimizer_; }
  [[nodiscard]] const Optimizer& optimizer() const { return *optimizer_; }
  // nullptr when the plan has none.
  [[nodiscard]] WeightAverage* average() { return average_ ? &*average_ : nullptr; }
  [[nodiscard]] const WeightAverage* average() const { return average_ ? &*average_ : nullptr; }

 private:
  [[nodiscard]] ForwardPass forward(const StepInput& input) const;
  // Looks at the terms before the tape is walked: connectivity, weights, who met no pair.
  void inspect(const ForwardPass& pass, const StepInput& input, StepReport& report);

  ContextPtr context_;
  Plan plan_;
  std::vector<std::string> loss_names_ = {"rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox"};
  std::unique_ptr<ParameterSet> parameters_;
  std::optional<TwoStreamDetector> detector_;
  AuxiliarySetup auxiliary_;
  TotalFunction form_;
  std::vector<WeightSchedule> weights_;  // of all terms, in the order of the names
  std::optional<ConnectivityWatch> watch_;
  bool audited_ = false;  // since this process began
  std::optional<Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
};

}  // namespace ktrain
