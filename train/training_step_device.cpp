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
  ForwardPass pass = forward(input);
  const Tensor total = form_(pass.terms);
  if (report != nullptr) {
    if (!context_->queue.planning)
      report->values = read_values(pass.terms, total, input.step + 1, input.pair_ids);
    inspect(pass, input, *report);
  }
  pass.pyramids.clear();
  pass.detection_values.clear();
  pass.head_outputs.clear();
  pass.streams.clear();
  pass.features.clear();
  std::vector<AuxiliaryResult> trained = std::move(pass.auxiliary);
  formulas_.clear();
  for (AuxiliaryResult& result : trained) {
    result.value = result.value.detached();
    formulas_.push_back(std::move(result.side));
  }
  std::vector<LossTerm> measured = std::move(pass.terms);
  const std::vector<Tensor> gradients = backward(total, *parameters_, Tape::kConsume);
  device_->update(measured, total, trained, gradients);
  auxiliary_.losses.after_step(input.batch, trained, input.step);
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
  KT_CHECK(!monitor_->active(), "training step: not on a GPU with this plan");
  StepReport report;
  report.learning_rate =
      learning_rate(plan_.schedule, input.timeline, plan_.optimizer.lr, input.step);
  const std::vector<double> weights = weights_of(input.timeline, input.step);
  const bool planning = context_->queue.planning;
  if (!planning) device_->begin(report.learning_rate, weights, changing_numbers(input));
  const bool looked_at = planning || !watch_->done() || !detection_watch_->done() || !audited_ ||
                         audit_due(weights_, input.timeline, input.step);
  if (looked_at) device_work(input, &report);
  if (planning || !looked_at)
    device_->run(key_of(input.batch, weights), [&] { device_work(input, nullptr); });
  if (planning) return report;
  report.values.weights.clear();
  for (const double weight : weights) report.values.weights.push_back(static_cast<float>(weight));
  report.sent = {input.step + 1, device_->send(), input.pair_ids};
  return report;
}

void TrainingStep::finish(StepReport& report) {
  if (!report.sent) return;
  const StepReport::Sent sent = *std::exchange(report.sent, std::nullopt);
  const StepNumbers numbers = device_->read(sent.number);
  report.values.terms = numbers.terms;
  report.values.total = numbers.total;
  report.gradient_norm = numbers.gradient_norm;
  check_values(report.values, loss_names_, sent.step, sent.pair_ids);
  if (!std::isfinite(numbers.gradient_norm))
    throw_fault("KT-NUM-021",
                "step {}: the gradient norm is {}; no weight was changed from this step on{}; "
                "device = \"cpu\" names the first parameter",
                sent.step, numbers.gradient_norm, pairs_text(sent.pair_ids));
  report.without_rows.clear();
  for (std::size_t i = 0; i < numbers.auxiliary.size(); ++i) {
    const Measured& measured = numbers.auxiliary[i];
    if (measured.rows == 0) report.without_rows.push_back(loss_names_[kDetectionTerms + i]);
    for (SideNumber& number : side_numbers(formulas_.at(i), measured))
      report.side.push_back(std::move(number));
  }
}

}  // namespace ktrain
