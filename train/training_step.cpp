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

std::vector<LossTerm> TrainingStep::terms(const DetectorLosses& losses, const Timeline& timeline,
                                          std::int64_t step) const {
  const auto term = [&](std::size_t i, const Tensor& value, const LossTermPlan& plan) {
    return LossTerm{std::string(kLossNames[i]), value, weight_at(plan.weight, timeline, step)};
  };
  return {
      term(0, losses.rpn_cls, plan_.loss.rpn_cls), term(1, losses.rpn_bbox, plan_.loss.rpn_bbox),
      term(2, losses.roi_cls, plan_.loss.roi_cls), term(3, losses.roi_bbox, plan_.loss.roi_bbox)};
}

StepReport TrainingStep::run(const DetectorInput& input, const Timeline& timeline,
                             std::int64_t step, const std::vector<std::string>& pair_ids) {
  StepReport report;
  report.learning_rate = learning_rate(plan_.schedule, timeline, plan_.optimizer.lr, step);
  std::vector<Tensor> gradients;
  {
    // The terms hold the tape and all that it saved; both end with this block.
    const std::vector<LossTerm> losses = terms(detector_->losses(input), timeline, step);
    const Tensor total = form_total(losses);
    report.values = read_values(losses, total, step + 1, pair_ids);
    gradients = backward(total, *parameters_, Tape::kConsume);
  }
  optimizer_->step(gradients, report.learning_rate, pair_ids);
  report.gradient_norm = optimizer_->gradient_norm();
  if (average_) average_->update();
  return report;
}

}  // namespace ktrain
