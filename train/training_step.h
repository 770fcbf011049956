// One training step: forward, losses, backward, clip, update. The detector, the auxiliary losses,
// the optimizer, the average of the weights and the conflict monitor live here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/detector.h"
#include "train/auxiliary_terms.h"
#include "train/connectivity.h"
#include "train/device_step.h"
#include "train/monitor/monitor.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/plan.h"
#include "train/schedule.h"
#include "train/weight_audit.h"
#include "train/weight_average.h"

namespace ktrain {

// The detector's own terms, which come first.
constexpr std::size_t kDetectionTerms = 4;

// What one step trains on.
struct StepInput {
  const DetectorInput& batch;
  Timeline timeline;
  std::int64_t step = 0;              // from 0
  std::vector<std::string> pair_ids;  // for messages
  // A batch that is not trained on, for what a probe measures there; called when one is wanted.
  std::function<const DetectorInput&()> held_out = {};
  bool may_probe = true;  // false: a plain step, whatever the monitor would do

  // Where the step stands, in epochs.
  [[nodiscard]] double epoch() const {
    return static_cast<double>(step) / static_cast<double>(timeline.steps_per_epoch);
  }
};

struct StepReport {
  ObjectiveValues values;  // in the order of TrainingStep::loss_names
  double learning_rate = 0;
  double gradient_norm = 0;      // before clipping
  std::vector<SideNumber> side;  // of the auxiliary losses; read by whoever logs them
  MonitorOutput monitor;         // empty but for steps that were probed
  // Terms that met no pair in this step, and are worth 0 therefore.
  std::vector<std::string> without_rows;
  std::optional<WeightAudit> audit;  // in the steps where one is due (train/weight_audit.h)
  // On a GPU: the numbers of the step (values but for their weights, gradient_norm, side,
  // without_rows) are not there before TrainingStep::finish.
  struct Sent {
    std::int64_t step = 0, number = 0;
    std::vector<std::string> pair_ids;
    bool probed = false;
  };
  std::optional<Sent> sent;
};

// What a forward pass leaves: the terms with their history, and what came with them.
struct ForwardPass {
  std::vector<LossTerm> terms;  // in the order of the names, with the weights of the step
  std::vector<AuxiliaryResult> auxiliary;
  Proposals proposals;                   // that the RoI head was trained on
  std::vector<WatchedFeature> features;  // where the pyramids of both streams stand on the tape
  std::vector<Tensor> pyramids;          // of both streams and fused; for ConnectivityWatch alone
  // For DetectionWatch alone: of the detector's terms that are on, and the pyramids of the streams.
  std::vector<Tensor> detection_values, head_outputs;
  std::vector<NamedPyramid> streams;
};

// Called with what the detector made, before terms are formed of it.
using DetectionFilter = std::function<void(DetectorLosses&)>;

class TrainingStep {
 public:
  // `make`, `form` and `alter` are for tests: terms that no plan has, totals that are wrong, and
  // faults in the detector's own terms.
  TrainingStep(const ContextPtr& context, const Plan& plan,
               const AuxiliaryFactory& make = make_auxiliary,
               const TotalFunction& form = form_total, const DetectionFilter& alter = {});

  // Throws Fault KT-NUM-* when a loss or a gradient is not finite; then no weight has been changed.
  // On a GPU it returns while the step runs, and finish() throws; weights stay as they were from
  // the step on that was not finite.
  StepReport run(const StepInput& input);
  // Waits for the numbers of a step of which at most Readback::kRounds - 1 others have followed;
  // the seconds that the GPU took for it. Nothing, and 0, when they are there.
  double finish(StepReport& report);

  // Steps that need, between them, the memory of every step: the first two (momentum encoders begin
  // with the second), and the first of each set of terms that have a weight.
  [[nodiscard]] std::vector<std::int64_t> unlike_steps(const Timeline& timeline) const;

  // The terms of the total, the detector's four first, then macl, dhn, domain, planted as far as
  // they are on.
  [[nodiscard]] const std::vector<std::string>& loss_names() const { return loss_names_; }

  [[nodiscard]] const ContextPtr& context() const { return context_; }
  [[nodiscard]] ParameterSet& parameters() { return *parameters_; }
  [[nodiscard]] const ParameterSet& parameters() const { return *parameters_; }
  [[nodiscard]] const TwoStreamDetector& detector() const { return *detector_; }
  [[nodiscard]] const AuxiliaryLosses& auxiliary() const { return auxiliary_.losses; }
  [[nodiscard]] Optimizer& optimizer() { return *optimizer_; }
  [[nodiscard]] const Optimizer& optimizer() const { return *optimizer_; }
  [[nodiscard]] Monitor& monitor() { return *monitor_; }
  [[nodiscard]] const Monitor& monitor() const { return *monitor_; }
  // nullptr when the plan has none.
  [[nodiscard]] WeightAverage* average() { return average_ ? &*average_ : nullptr; }
  [[nodiscard]] const WeightAverage* average() const { return average_ ? &*average_ : nullptr; }
  // nullptr on the CPU.
  [[nodiscard]] const DeviceStep* device_step() const { return device_ ? &*device_ : nullptr; }

 private:
  // `fixed`: the proposals of another pass.
  [[nodiscard]] ForwardPass forward(const StepInput& input, const Proposals* fixed = nullptr) const;
  // What a probe measures beside its walk. Numbers are kept by the probe until read_looks.
  struct Looks {
    std::vector<ProbeNumbers::Place> again;  // of all terms, after the step
    const DetectorInput* held_out = nullptr;
    std::optional<Proposals> proposals;      // of the first look at it, for the others
    std::vector<ProbeNumbers::Place> after;  // detection's terms there, after the step
    struct Without {
      std::size_t loss = 0;                    // place on the axis
      std::vector<ProbeNumbers::Place> terms;  // empty: the step without it cannot be taken
      ProbeNumbers::Place norm;                // of that step's gradient
    };
    std::vector<Without> without;
  };
  // Of a step that is probed, before its update with `gradients`: virtual steps without each
  // auxiliary loss, after which weights and optimizer are what they were, and looks at detection on
  // a held-out batch. Nothing where the probe does not ask for it.
  [[nodiscard]] Looks look_before(const StepInput& input, const std::vector<Tensor>& gradients,
                                  double rate);
  // After the update; `proposals` of the step's own forward pass, on whose regions its batch is
  // looked at again.
  void look_after(const StepInput& input, const std::optional<Proposals>& proposals, Looks& looks);
  // Tells the monitor what was found.
  void read_looks(const StepInput& input, const Looks& looks);
  [[nodiscard]] std::vector<ProbeNumbers::Place> look_held_out(Looks& looks);
  // Throws the Fault that a step's numbers are, if they are one.
  void check_sent(const StepReport::Sent& sent, const StepNumbers& numbers) const;
  // The step on a GPU. With `report` it is looked at on the way, and the host waits.
  StepReport run_on_device(const StepInput& input);
  struct DevicePass {
    ForwardPass pass;
    Tensor total;
    std::vector<AuxiliaryResult> trained;
  };
  [[nodiscard]] DevicePass device_forward(const StepInput& input, StepReport* report);
  void device_after(const StepInput& input, const DevicePass& given);
  void device_work(const StepInput& input, StepReport* report);
  // The same of a step that is probed, whose history the probe has walked.
  Looks device_probe(const StepInput& input, double rate, StepReport* report);
  // What the device is told before a step, in the order of DeviceStep's changing tensors.
  [[nodiscard]] std::vector<std::vector<float>> changing_numbers(const StepInput& input);
  // Of all terms, as applied in a step.
  [[nodiscard]] std::vector<double> weights_of(const Timeline& timeline, std::int64_t step) const;

  // The control of the plan, of which the other terms are there already.
  [[nodiscard]] LossTerm planted(const StepInput& input, const DetectorLosses& losses,
                                 const std::vector<LossTerm>& terms) const;
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
  DetectionFilter alter_;
  std::optional<ConnectivityWatch> watch_;
  std::optional<DetectionWatch> detection_watch_;
  bool audited_ = false;  // since this process began
  std::optional<Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
  std::unique_ptr<Monitor> monitor_;
  std::optional<DeviceStep> device_;  // on a GPU
  // On a GPU: of each auxiliary term, as its last pass on the host has made them.
  std::vector<std::vector<SideFormula>> formulas_;
  std::vector<StepReport::Sent> unread_;  // the last steps whose finish() is to come
};

}  // namespace ktrain
