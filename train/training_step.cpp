#include "train/training_step.h"

#include "train/alignment_plan.h"
#include "train/model_options.h"

namespace ktrain {

TrainingStep::TrainingStep(const ContextPtr& context, const Plan& plan,
                           const AuxiliaryFactory& make, const TotalFunction& form)
    : context_(context),
      plan_(plan),
      parameters_(std::make_unique<ParameterSet>()),
      form_(form),
      weights_({plan.loss.rpn_cls.weight, plan.loss.rpn_bbox.weight, plan.loss.roi_cls.weight,
                plan.loss.roi_bbox.weight}) {
  const auto seed = static_cast<std::uint64_t>(plan.seed);
  {
    const MemoryUseScope use(MemoryUse::kParameters);
    const DetectorOptions options = detector_options(plan);
    detector_.emplace(context, options, seed, *parameters_);
    auxiliary_ = make(plan, options, Maker(context, *parameters_, seed));
  }
  for (const std::string& name : auxiliary_.losses.names()) loss_names_.push_back(name);
  for (const WeightSchedule& weight : auxiliary_.weights) weights_.push_back(weight);
  KT_CHECK(weights_.size() == loss_names_.size(), "training step: {} weights for {} terms",
           weights_.size(), loss_names_.size());
  watch_.emplace(auxiliary_.losses.names());
  optimizer_.emplace(plan.optimizer, *parameters_);
  if (plan.train.average > 0) average_.emplace(*parameters_, plan.train.average);
}

ForwardPass TrainingStep::forward(const StepInput& input) const {
  const DetectorLosses losses = detector_->losses(input.batch);
  std::vector<Tensor> values = {losses.rpn_cls, losses.rpn_bbox, losses.roi_cls, losses.roi_bbox};
  ForwardPass pass;
  const double epoch =
      static_cast<double>(input.step) / static_cast<double>(input.timeline.steps_per_epoch);
  pass.auxiliary = auxiliary_.losses.losses({input.batch, losses, input.step, epoch});
  for (const AuxiliaryResult& result : pass.auxiliary) values.push_back(result.value);
  if (!watch_->done())
    for (const Pyramid* const pyramid :
         {losses.visible ? &*losses.visible : nullptr, losses.thermal ? &*losses.thermal : nullptr,
          &losses.fused})
      if (pyramid != nullptr)
        pass.pyramids.insert(pass.pyramids.end(), pyramid->begin(), pyramid->end());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double weight = weight_at(weights_[i], input.timeline, input.step);
    pass.terms.push_back(
        {loss_names_[i], values[i], applied_weight(plan_.compat, loss_names_[i], weight), weight});
  }
  return pass;
}

void TrainingStep::inspect(const ForwardPass& pass, const StepInput& input, StepReport& report) {
  const std::int64_t step = input.step + 1;
  const std::size_t own = pass.terms.size() - pass.auxiliary.size();
  if (!watch_->done())
    watch_->look({pass.terms.begin() + static_cast<std::ptrdiff_t>(own), pass.terms.end()},
                 pass.auxiliary, pass.pyramids, step);
  if (context_->queue.planning) return;
  for (std::size_t i = 0; i < pass.auxiliary.size(); ++i)
    if (pass.auxiliary[i].rows.to_vector<std::int32_t>()[0] == 0)
      report.without_rows.push_back(loss_names_[own + i]);
  const bool due = audit_due(weights_, input.timeline, input.step);
  if (audited_ && !due) return;
  WeightAudit audit = audit_weights(pass.terms, form_, report.values.total, step);
  audited_ = true;
  // A run that goes on is audited at once; its record is that of the step where one was due.
  if (due) report.audit = std::move(audit);
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
    const Tensor total = form_(pass.terms);
    report.values = read_values(pass.terms, total, input.step + 1, input.pair_ids);
    inspect(pass, input, report);
    pass.pyramids.clear();
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
