#include "train/device_step.h"

#include "kernels/elementwise.h"
#include "kernels/step_numbers.h"

namespace ktrain {
namespace {

constexpr std::int64_t kTotals = 2;  // the total and the norm follow the terms

}  // namespace

DeviceStep::DeviceStep(const ContextPtr& context, Optimizer& optimizer, std::int64_t terms,
                       std::int64_t first, std::int64_t auxiliary,
                       const std::vector<Tensor>& changing)
    : optimizer_(optimizer),
      terms_(terms),
      first_(first),
      auxiliary_(auxiliary),
      weights_(Tensor::zeros(context, {terms})),
      stopped_(Tensor::zeros(context, {1}, DType::kI32)),
      readback_(context, terms + kTotals + auxiliary * (1 + kMostMeasured)),
      rates_entry_(staging_.add(optimizer.numbers())),
      weights_entry_(staging_.add(weights_)),
      replay_(context) {
  KT_CHECK(terms + kTotals + auxiliary <= NumberSources::kCapacity,
           "device step: {} terms, {} of them auxiliary", terms, auxiliary);
  for (const Tensor& tensor : changing) changing_entries_.push_back(staging_.add(tensor));
}

void DeviceStep::begin(double rate, std::span<const double> weights,
                       const std::vector<std::vector<float>>& changing) {
  KT_CHECK(std::ssize(weights) == terms_ && changing.size() == changing_entries_.size(),
           "device step: {} weights for {} terms, {} of {} changing tensors", weights.size(),
           terms_, changing.size(), changing_entries_.size());
  if (weights_.queue().planning) return;
  std::vector<float> applied;
  for (const double weight : weights)
    if (weight != 0) applied.push_back(static_cast<float>(weight));
  applied.resize(weights.size(), 0.0f);
  staging_.begin();
  staging_.write<float>(rates_entry_, optimizer_.begin_step(rate));
  staging_.write<float>(weights_entry_, applied);
  for (std::size_t i = 0; i < changing.size(); ++i)
    staging_.write<float>(changing_entries_[i], changing[i]);
  if (!timers_[timer_])
    for (auto& timer : timers_) timer = std::make_unique<GpuTimer>();
  timers_[timer_]->start(weights_.queue().stream);
  staging_.send();
}

void DeviceStep::update(std::span<const LossTerm> terms, const Tensor& total,
                        std::span<const AuxiliaryResult> auxiliary,
                        std::span<const Tensor> gradients, const Optimizer::Observer& observer) {
  KT_CHECK(std::ssize(terms) == terms_ && std::ssize(auxiliary) == auxiliary_,
           "device step: {} terms and {} auxiliary ones, made for {} and {}", terms.size(),
           auxiliary.size(), terms_, auxiliary_);
  NumberSources sources;
  const auto next = [&] { return static_cast<std::size_t>(sources.count++); };
  for (const LossTerm& term : terms) sources.floats[next()] = term.value.span<float>().data;
  sources.floats[next()] = total.span<float>().data;
  sources.floats[next()] = optimizer_.norm().span<float>().data;
  for (const AuxiliaryResult& result : auxiliary)
    sources.integers[next()] = result.rows.span<std::int32_t>().data;
  const auto guard = [&] {
    Tensor numbers = readback_.numbers(), factor = optimizer_.clip_scale();
    KT_RUN(numbers.queue(), step_numbers, sources, terms_ + kTotals,
           numbers.slice(0, sources.count).mutable_span<float>(),
           stopped_.mutable_span<std::int32_t>(), factor.mutable_span<float>());
    std::int64_t place = sources.count;
    for (const AuxiliaryResult& result : auxiliary) {
      std::int64_t at = place;
      for (const Tensor& measured : result.measured) {
        KT_RUN(numbers.queue(), copy, measured.span<float>(),
               numbers.slice(at, at + measured.size()).mutable_span<float>());
        at += measured.size();
      }
      place += kMostMeasured;
    }
  };
  optimizer_.enqueue(gradients, guard, observer);
}

std::int64_t DeviceStep::send() {
  if (weights_.queue().planning) return 0;
  optimizer_.end_step();
  timers_[timer_]->stop(weights_.queue().stream);
  const std::int64_t sent = readback_.send();
  timer_ = static_cast<std::size_t>((sent + 1) % Readback::kRounds);
  return sent;
}

StepNumbers DeviceStep::read(std::int64_t sent) {
  const std::vector<float> numbers = readback_.read(sent);
  const auto terms = static_cast<std::size_t>(terms_);
  StepNumbers step;
  step.seconds = timers_[static_cast<std::size_t>(sent % Readback::kRounds)]->seconds();
  step.terms.assign(numbers.begin(), numbers.begin() + terms_);
  step.total = numbers[terms];
  step.gradient_norm = numbers[terms + 1];
  const auto rows = numbers.begin() + terms_ + kTotals;
  for (std::int64_t i = 0; i < auxiliary_; ++i) {
    const auto measured = rows + auxiliary_ + i * kMostMeasured;
    step.auxiliary.push_back({step.terms[static_cast<std::size_t>(first_ + i)],
                              double{rows[i]},
                              {measured, measured + kMostMeasured}});
  }
  return step;
}

}  // namespace ktrain
