// TrainingStep on a GPU: the work of a step is given to the device and the host goes on.
#include <cmath>
#include <utility>

#include "runtime/fault.h"
#include "train/alignment_plan.h"
#include "train/training_step.h"

namespace ktrain {
namespace {

// Everything about a step's work that the device does not read from its memory.
class Key {
 public:
  void add(const void* bytes, std::size_t size) {
    const auto* const from = static_cast<const unsigned char*>(bytes);
    for (std::size_t i = 0; i < size; ++i) hash_ = (hash_ ^ from[i]) * 0x100000001B3u;  // FNV-1a
  }
  void add(const Tensor& tensor) {
    if (!tensor.defined()) return;
    const void* const data =
        tensor.dtype() == DType::kU8    ? static_cast<const void*>(tensor.span<std::uint8_t>().data)
        : tensor.dtype() == DType::kI32 ? static_cast<const void*>(tensor.span<std::int32_t>().data)
                                        : static_cast<const void*>(tensor.span<float>().data);
    add(&data, sizeof data);
    const std::int64_t size = tensor.size();
    add(&size, sizeof size);
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325u;
};

std::uint64_t key_of(const DetectorInput& batch, const std::vector<double>& weights) {
  Key key;
  for (const Tensor* const tensor :
       {&batch.visible, &batch.thermal, &batch.sizes, &batch.scales, &batch.targets.boxes.boxes,
        &batch.targets.boxes.counts, &batch.targets.classes, &batch.targets.ignored.boxes,
        &batch.targets.ignored.counts, &batch.counters, &batch.identity, &batch.rpn_order,
        &batch.roi_order})
    key.add(*tensor);
  for (const double weight : weights) {
    const bool there = weight != 0;
    key.add(&there, sizeof there);
  }
  return key.value();
}

}  // namespace

void TrainingStep::device_work(const StepInput& input, StepReport* report) {
  DevicePass given = device_forward(input, report);
  given.pass.features.clear();
  const std::vector<LossTerm> measured = std::move(given.pass.terms);
  const std::vector<Tensor> gradients = backward(given.total, *parameters_, Tape::kConsume);
  device_->update(measured, given.total, given.trained, gradients);
  device_after(input, given);
}

TrainingStep::Looks TrainingStep::device_probe(const StepInput& input, double rate,
                                               StepReport* report) {
  DevicePass given = device_forward(input, report);
  std::optional<Proposals> proposals;
  if (monitor_->wants_real()) proposals = given.pass.proposals;
  const std::vector<Tensor> gradients =
      monitor_->walk(given.pass.terms, given.total, std::move(given.pass.features));
  const std::vector<LossTerm> measured = std::move(given.pass.terms);
  Looks looks = look_before(input, gradients, rate);
  device_->update(measured, given.total, given.trained, gradients, monitor_->observer(gradients));
  if (Probe* const probe = monitor_->probe()) probe->keep_norm();
  look_after(input, proposals, looks);
  device_after(input, given);
  return looks;
}

TrainingStep::DevicePass TrainingStep::device_forward(const StepInput& input, StepReport* report) {
  DevicePass given{forward(input), {}, {}};
  given.total = form_(given.pass.terms);
  if (report != nullptr) {
    if (!context_->queue.planning)
      report->values = read_values(given.pass.terms, given.total, input.step + 1, input.pair_ids);
    inspect(given.pass, input, *report);
  }
  given.pass.pyramids.clear();
  given.pass.detection_values.clear();
  given.pass.head_outputs.clear();
  given.pass.streams.clear();
  given.trained = std::move(given.pass.auxiliary);
  formulas_.clear();
  for (AuxiliaryResult& result : given.trained) {
    result.value = result.value.detached();
    formulas_.push_back(std::move(result.side));
  }
  return given;
}

void TrainingStep::device_after(const StepInput& input, const DevicePass& given) {
  auxiliary_.losses.after_step(input.batch, given.trained, input.step);
  if (average_) average_->enqueue();
}

std::vector<std::vector<float>> TrainingStep::changing_numbers(const StepInput& input) {
  std::vector<std::vector<float>> numbers;
  for (const ChangingNumbers& own : auxiliary_.losses.changing())
    numbers.push_back(own.at(input.epoch()));
  if (average_) numbers.push_back(average_->begin_update());
  return numbers;
}

StepReport TrainingStep::run_on_device(const StepInput& input) {
  StepReport report;
  const bool probed = input.may_probe && monitor_->begin_step(input.step, input.timeline);
  report.learning_rate =
      learning_rate(plan_.schedule, input.timeline, plan_.optimizer.lr, input.step);
  const std::vector<double> weights = weights_of(input.timeline, input.step);
  const bool planning = context_->queue.planning;
  if (!planning) device_->begin(report.learning_rate, weights, changing_numbers(input));
  const bool looked_at = planning || !watch_->done() || !detection_watch_->done() || !audited_ ||
                         audit_due(weights_, input.timeline, input.step);
  StepReport* const inspected = looked_at ? &report : nullptr;
  Looks looks;
  if (probed)
    looks = device_probe(input, report.learning_rate, inspected);
  else if (looked_at)
    device_work(input, inspected);
  if (!probed && (planning || !looked_at))
    device_->run(key_of(input.batch, weights), [&] { device_work(input, nullptr); });
  if (!planning) {
    report.values.weights.clear();
    for (const double weight : weights) report.values.weights.push_back(static_cast<float>(weight));
    report.sent = {input.step + 1, device_->send(), input.pair_ids, probed};
    unread_.push_back(*report.sent);
    if (std::ssize(unread_) > Readback::kRounds) unread_.erase(unread_.begin());
  }
  std::optional<double> seconds;
  if (probed && !planning) {
    // What was wrong in a step before is not this one's.
    for (const StepReport::Sent& sent : unread_) check_sent(sent, device_->read(sent.number));
    seconds = finish(report);
    read_looks(input, looks);
  }
  if (input.may_probe)
    report.monitor =
        monitor_->end_step(input.step, input.timeline, report.learning_rate, {}, seconds);
  return report;
}

void TrainingStep::check_sent(const StepReport::Sent& sent, const StepNumbers& numbers) const {
  check_values({numbers.total, numbers.terms, {}}, loss_names_, sent.step, sent.pair_ids);
  if (!std::isfinite(numbers.gradient_norm))
    throw_fault("KT-NUM-021",
                "step {}: the gradient norm is {}; no weight was changed from this step on{}; "
                "device = \"cpu\" names the first parameter",
                sent.step, numbers.gradient_norm, pairs_text(sent.pair_ids));
}

double TrainingStep::finish(StepReport& report) {
  if (!report.sent) return 0;
  const StepReport::Sent sent = *std::exchange(report.sent, std::nullopt);
  std::erase_if(unread_, [&](const auto& other) { return other.number == sent.number; });
  const StepNumbers numbers = device_->read(sent.number);
  report.values.terms = numbers.terms;
  report.values.total = numbers.total;
  report.gradient_norm = numbers.gradient_norm;
  check_sent(sent, numbers);
  report.without_rows.clear();
  for (std::size_t i = 0; i < numbers.auxiliary.size(); ++i) {
    const Measured& measured = numbers.auxiliary[i];
    if (measured.rows == 0) report.without_rows.push_back(loss_names_[kDetectionTerms + i]);
    for (SideNumber& number : side_numbers(formulas_.at(i), measured))
      report.side.push_back(std::move(number));
  }
  if (!sent.probed) monitor_->plain_step_took(numbers.seconds);
  return numbers.seconds;
}

}  // namespace ktrain
