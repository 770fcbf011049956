#include "train/training_step.h"

#include "train/alignment_plan.h"
#include "train/model_options.h"

namespace ktrain {

TrainingStep::TrainingStep(const ContextPtr& context, const Plan& plan,
                           const AuxiliaryFactory& make)
    : context_(context), plan_(plan), parameters_(std::make_unique<ParameterSet>()) {
  const auto seed = static_cast<std::uint64_t>(plan.seed);
  {
    const MemoryUseScope use(MemoryUse::kParameters);
    const DetectorOptions options = detector_options(plan);
    detector_.emplace(context, options, seed, *parameters_);
    auxiliary_ = make(plan, options, Maker(context, *parameters_, seed));
  }
  for (const std::string& name : auxiliary_.losses.names()) loss_names_.push_back(name);
  optimizer_.emplace(plan.optimizer, *parameters_);
  if (plan.train.average > 0) average_.emplace(*parameters_, plan.train.average);
}

ForwardPass TrainingStep::forward(const StepInput& input) const {
  const DetectorLosses losses = detector_->losses(input.batch);
  std::vector<Tensor> values = {losses.rpn_cls, losses.rpn_bbox, losses.roi_cls, losses.roi_bbox};
  std::vector<const WeightSchedule*> weights = {
      &plan_.loss.rpn_cls.weight, &plan_.loss.rpn_bbox.weight, &plan_.loss.roi_cls.weight,
      &plan_.loss.roi_bbox.weight};
  ForwardPass pass;
  const double epoch =
      static_cast<double>(input.step) / static_cast<double>(input.timeline.steps_per_epoch);
  pass.auxiliary = auxiliary_.losses.losses({input.batch, losses, input.step, epoch});
  for (const AuxiliaryResult& result : pass.auxiliary) values.push_back(result.value);
  for (const WeightSchedule& weight : auxiliary_.weights) weights.push_back(&weight);
  for (std::size_t i = 0; i < values.size(); ++i)
    pass.terms.push_back({loss_names_[i], values[i],
                          applied_weight(plan_.compat, loss_names_[i],
                                         weight_at(*weights[i], input.timeline, input.step))});
  return pass;
}

StepReport TrainingStep::run(const StepInput& input) {
  StepReport report;
  report.learning_rate =
      learning_rate(plan_.schedule, input.timeline, plan_.optimizer.lr, input.step);
  std::vector<Tensor> gradients;
  std::vector<AuxiliaryResult> trained;
  {
    // The terms hold the tape and all that it saved; both end with this block.
    ForwardPass pass = forward(input);
    const Tensor total = form_total(pass.terms);
    report.values = read_values(pass.terms, total, input.step + 1, input.pair_ids);
    trained = std::move(pass.auxiliary);
    for (AuxiliaryResult& result : trained) {
      result.value = result.value.detached();
      for (SideNumber& number : result.side) report.side.push_back(std::move(number));
    }
    gradients = backward(total, *parameters_, Tape::kConsume);
  }
  optimizer_->step(gradients, report.learning_rate, input.pair_ids);
  report.gradient_norm = optimizer_->gradient_norm();
  auxiliary_.losses.after_step(input.batch, trained, input.step);
  if (average_) average_->update();
  return report;
}

}  // namespace ktrain
