#include "train/training_step.h"

#include "train/model_options.h"

namespace ktrain {

TrainingStep::TrainingStep(const ContextPtr& context, const Plan& plan)
    : context_(context), plan_(plan), parameters_(std::make_unique<ParameterSet>()) {
  {
    const MemoryUseScope use(MemoryUse::kParameters);
    detector_.emplace(context, detector_options(plan), static_cast<std::uint64_t>(plan.seed),
                      *parameters_);
  }
  optimizer_.emplace(plan.optimizer, *parameters_);
  if (plan.train.average > 0) average_.emplace(*parameters_, plan.train.average);
}

std::vector<LossTerm> TrainingStep::terms(const StepInput& input) const {
  const DetectorLosses losses = detector_->losses(input.batch);
  const std::vector<Tensor> values = {losses.rpn_cls, losses.rpn_bbox, losses.roi_cls,
                                      losses.roi_bbox};
  const std::vector<const LossTermPlan*> plans = {&plan_.loss.rpn_cls, &plan_.loss.rpn_bbox,
                                                  &plan_.loss.roi_cls, &plan_.loss.roi_bbox};
  std::vector<LossTerm> terms;
  for (std::size_t i = 0; i < values.size(); ++i)
    terms.push_back(
        {loss_names_[i], values[i], weight_at(plans[i]->weight, input.timeline, input.step)});
  return terms;
}

StepReport TrainingStep::run(const StepInput& input) {
  StepReport report;
  report.learning_rate =
      learning_rate(plan_.schedule, input.timeline, plan_.optimizer.lr, input.step);
  std::vector<Tensor> gradients;
  {
    // The terms hold the tape and all that it saved; both end with this block.
    const std::vector<LossTerm> losses = terms(input);
    const Tensor total = form_total(losses);
    report.values = read_values(losses, total, input.step + 1, input.pair_ids);
    gradients = backward(total, *parameters_, Tape::kConsume);
  }
  optimizer_->step(gradients, report.learning_rate, input.pair_ids);
  report.gradient_norm = optimizer_->gradient_norm();
  if (average_) average_->update();
  return report;
}

}  // namespace ktrain
