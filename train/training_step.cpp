#include "train/training_step.h"

#include <algorithm>
#include <set>

#include "runtime/ops.h"
#include "runtime/ops_alignment.h"
#include "runtime/part.h"
#include "train/alignment_plan.h"
#include "train/model_options.h"
#include "train/monitor/random_sign.h"

namespace ktrain {
namespace {

bool is_ever_applied(const WeightSchedule& weight) {
  return std::any_of(weight.value.begin(), weight.value.end(),
                     [](double value) { return value != 0; });
}

void watch(const char* stream, const std::optional<Pyramid>& pyramid,
           std::vector<WatchedFeature>& features) {
  if (!pyramid) return;
  for (std::size_t level = 0; level < pyramid->size(); ++level)
    features.push_back({fmt::format("{}.p{}", stream, level + 2), (*pyramid)[level].node()});
}

// Where the half of a batch begins for the fusion and the heads.
void watch_heads(const DetectorLosses& losses, std::vector<WatchedFeature>& features) {
  const std::int64_t images = losses.fused[0].size(0);
  for (const Tensor& level : losses.fused) features.push_back({"", level.node()});
  for (const Tensor& output : losses.head_outputs)
    features.push_back({"", output.node(), output.size(0) / images, true});
}

// What the watch over the detector's terms needs of a pass; `weights` begin with theirs.
void watch_detection(const DetectorLosses& losses, const std::vector<WeightSchedule>& weights,
                     ForwardPass& pass) {
  const Tensor* const values[] = {&losses.rpn_cls, &losses.rpn_bbox, &losses.roi_cls,
                                  &losses.roi_bbox};
  for (std::size_t i = 0; i < kDetectionTerms; ++i) {
    if (!is_ever_applied(weights[i])) continue;
    pass.detection_values.push_back(*values[i]);
    pass.head_outputs.push_back(losses.head_outputs[i]);
  }
  if (losses.visible)
    pass.streams.push_back({"visible stream", {losses.visible->begin(), losses.visible->end()}});
  if (losses.thermal)
    pass.streams.push_back({"thermal stream", {losses.thermal->begin(), losses.thermal->end()}});
}

}  // namespace

TrainingStep::TrainingStep(const ContextPtr& context, const Plan& plan,
                           const AuxiliaryFactory& make, const TotalFunction& form,
                           const DetectionFilter& alter)
    : context_(context),
      plan_(plan),
      parameters_(std::make_unique<ParameterSet>()),
      form_(form),
      weights_({plan.loss.rpn_cls.weight, plan.loss.rpn_bbox.weight, plan.loss.roi_cls.weight,
                plan.loss.roi_bbox.weight}),
      alter_(alter) {
  const auto seed = static_cast<std::uint64_t>(plan.seed);
  {
    const MemoryUseScope use(MemoryUse::kParameters);
    const DetectorOptions options = detector_options(plan);
    detector_.emplace(context, options, seed, *parameters_);
    auxiliary_ = make(plan, options, Maker(context, *parameters_, seed));
  }
  for (const std::string& name : auxiliary_.losses.names()) loss_names_.push_back(name);
  for (const WeightSchedule& weight : auxiliary_.weights) weights_.push_back(weight);
  if (plan.loss.planted.kind != "none") {
    loss_names_.emplace_back("planted");
    weights_.push_back(plan.loss.planted.weight);
  }
  KT_CHECK(weights_.size() == loss_names_.size(), "training step: {} weights for {} terms",
           weights_.size(), loss_names_.size());
  std::vector<std::string> detached;
  if (plan.loss.macl.control == "projector_only") detached.emplace_back("macl");
  watch_.emplace(auxiliary_.losses.names(), detached);
  std::vector<DetectionWatch::Term> own;
  for (std::size_t i = 0; i < kDetectionTerms; ++i)
    if (is_ever_applied(weights_[i]))
      own.push_back({loss_names_[i], loss_names_[i].ends_with("_bbox")});
  detection_watch_.emplace(own);
  optimizer_.emplace(plan.optimizer, *parameters_);
  if (plan.train.average > 0) average_.emplace(*parameters_, plan.train.average);
  monitor_ = std::make_unique<Monitor>(plan, context, *parameters_, *optimizer_, loss_names_,
                                       kDetectionTerms);
  if (context->queue.device == Device::kCuda) {
    std::vector<Tensor> changing;
    for (const ChangingNumbers& numbers : auxiliary_.losses.changing())
      changing.push_back(numbers.memory);
    if (average_) changing.push_back(average_->factors());
    device_.emplace(context, *optimizer_, std::ssize(loss_names_), kDetectionTerms,
                    std::ssize(auxiliary_.losses.names()), changing);
  }
}

std::vector<double> TrainingStep::weights_of(const Timeline& timeline, std::int64_t step) const {
  std::vector<double> weights;
  for (std::size_t i = 0; i < weights_.size(); ++i)
    weights.push_back(
        applied_weight(plan_.compat, loss_names_[i], weight_at(weights_[i], timeline, step)));
  return weights;
}

std::vector<std::int64_t> TrainingStep::unlike_steps(const Timeline& timeline) const {
  std::vector<std::int64_t> steps = {0, 1};
  std::set<std::vector<bool>> seen;
  for (std::int64_t step = 0; step < timeline.steps(); ++step) {
    std::vector<bool> applied;
    for (const double weight : weights_of(timeline, step)) applied.push_back(weight != 0);
    if (seen.insert(std::move(applied)).second && step > 1) steps.push_back(step);
  }
  return steps;
}

ForwardPass TrainingStep::forward(const StepInput& input, const Proposals* fixed) const {
  ForwardPass pass;
  const auto auxiliary = [&](const DetectorLosses& detection) {
    pass.auxiliary = auxiliary_.losses.losses({input.batch, detection, input.step, input.epoch()});
  };
  const bool beside = !alter_ && !auxiliary_.losses.empty();
  DetectorLosses losses =
      detector_->losses(input.batch, fixed, beside ? auxiliary : TwoStreamDetector::Beside());
  if (alter_) alter_(losses);
  if (!beside) auxiliary(losses);
  std::vector<Tensor> values = {losses.rpn_cls, losses.rpn_bbox, losses.roi_cls, losses.roi_bbox};
  pass.proposals = losses.proposals;
  watch("visible", losses.visible, pass.features);
  watch("thermal", losses.thermal, pass.features);
  watch_heads(losses, pass.features);
  for (const AuxiliaryResult& result : pass.auxiliary) values.push_back(result.value);
  if (!watch_->done())
    for (const Pyramid* const pyramid :
         {losses.visible ? &*losses.visible : nullptr, losses.thermal ? &*losses.thermal : nullptr,
          &losses.fused})
      if (pyramid != nullptr)
        pass.pyramids.insert(pass.pyramids.end(), pyramid->begin(), pyramid->end());
  if (!detection_watch_->done()) watch_detection(losses, weights_, pass);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double weight = weight_at(weights_[i], input.timeline, input.step);
    pass.terms.push_back(
        {loss_names_[i], values[i], applied_weight(plan_.compat, loss_names_[i], weight), weight});
  }
  if (device_)
    for (LossTerm& term : pass.terms) term.weights = device_->weights();
  if (plan_.loss.planted.kind != "none") pass.terms.push_back(planted(input, losses, pass.terms));
  return pass;
}

LossTerm TrainingStep::planted(const StepInput& input, const DetectorLosses& losses,
                               const std::vector<LossTerm>& terms) const {
  const PlantedPlan& planted = plan_.loss.planted;
  const PartScope part("auxiliary losses");
  Tensor value;
  if (planted.kind == "random_sign") {
    std::vector<Tensor> maps;
    for (const auto& pyramid : {losses.visible, losses.thermal})
      if (pyramid)
        for (const Tensor& level : *pyramid) maps.push_back(cast(level, DType::kF32));
    value = random_sign_sum(maps, static_cast<std::uint64_t>(plan_.seed), input.batch.counters);
  } else if (device_) {
    // With the weights that stand in memory, as the total has them.
    std::vector<Tensor> values;
    for (std::size_t i = 0; i < kDetectionTerms; ++i)
      if (terms[i].weight != 0) values.push_back(terms[i].value);
    const Tensor detection =
        values.empty() ? weighted_sum({terms[0].value}, {0.0f})
                       : weighted_sum(values, device_->weights().slice(0, std::ssize(values)));
    value = weighted_sum({detection}, {planted.kind == "copy_det" ? 1.0f : -0.1f});
  } else {
    const double factor = planted.kind == "copy_det" ? 1.0 : -0.1;
    std::vector<Tensor> values;
    std::vector<float> factors;
    for (std::size_t i = 0; i < kDetectionTerms; ++i) {
      values.push_back(terms[i].value);
      factors.push_back(static_cast<float>(factor * terms[i].weight));
    }
    value = weighted_sum(values, factors);
  }
  const double weight = weight_at(planted.weight, input.timeline, input.step);
  return {"planted", value, weight, weight, device_ ? device_->weights() : Tensor()};
}

void TrainingStep::inspect(const ForwardPass& pass, const StepInput& input, StepReport& report) {
  const std::int64_t step = input.step + 1;
  constexpr std::size_t own = kDetectionTerms;
  const auto first = pass.terms.begin() + own, end = first + std::ssize(pass.auxiliary);
  if (!watch_->done()) watch_->look({first, end}, pass.auxiliary, pass.pyramids, step);
  if (!detection_watch_->done())
    detection_watch_->look(pass.detection_values, pass.head_outputs, pass.streams,
                           input.batch.targets.boxes.counts, step);
  if (context_->queue.planning) return;
  for (std::size_t i = 0; i < pass.auxiliary.size(); ++i)
    if (pass.auxiliary[i].rows.to_vector<std::int32_t>()[0] == 0)
      report.without_rows.push_back(loss_names_[own + i]);
  const bool due = audit_due(weights_, input.timeline, input.step);
  if (audited_ && !due) return;
  WeightAudit audit = audit_weights(pass.terms, form_, report.values.total, step,
                                    plan_.compat.weights == "applied");
  audited_ = true;
  // A run that goes on is audited at once; its record is that of the step where one was due.
  if (due) report.audit = std::move(audit);
}

StepReport TrainingStep::run(const StepInput& input) {
  if (device_) return run_on_device(input);
  StepReport report;
  const bool probed = input.may_probe && monitor_->begin_step(input.step, input.timeline);
  report.learning_rate =
      learning_rate(plan_.schedule, input.timeline, plan_.optimizer.lr, input.step);
  std::vector<Tensor> gradients;
  std::vector<AuxiliaryResult> trained;
  std::optional<Proposals> proposals;
  {
    // The terms hold the tape and all that it saved; both end with this block.
    ForwardPass pass = forward(input);
    const Tensor total = form_(pass.terms);
    report.values = read_values(pass.terms, total, input.step + 1, input.pair_ids);
    inspect(pass, input, report);
    pass.pyramids.clear();
    pass.detection_values.clear();
    pass.head_outputs.clear();
    pass.streams.clear();
    trained = std::move(pass.auxiliary);
    if (probed && monitor_->wants_real()) proposals = pass.proposals;
    for (AuxiliaryResult& result : trained) {
      result.value = result.value.detached();
      for (SideNumber& number : side_numbers(result)) report.side.push_back(std::move(number));
    }
    gradients =
        probed ? monitor_->walk(pass.terms, total, std::move(pass.features), report.values.terms)
               : backward(total, *parameters_, Tape::kConsume);
  }
  Looks looks;
  if (probed) looks = look_before(input, gradients, report.learning_rate);
  optimizer_->step(gradients, report.learning_rate, input.pair_ids,
                   probed ? monitor_->observer(gradients) : Optimizer::Observer{});
  report.gradient_norm = optimizer_->gradient_norm();
  if (probed) {
    look_after(input, proposals, looks);
    read_looks(input, looks);
  }
  auxiliary_.losses.after_step(input.batch, trained, input.step);
  if (average_) average_->update();
  if (input.may_probe)
    report.monitor =
        monitor_->end_step(input.step, input.timeline, report.learning_rate, report.values.terms);
  return report;
}

}  // namespace ktrain
