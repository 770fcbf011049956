#include "train/device_step.h"

#include "kernels/step_numbers.h"

namespace ktrain {
namespace {

constexpr std::int64_t kTotals = 2;  // the total and the norm follow the terms

}  // namespace

DeviceStep::DeviceStep(const ContextPtr& context, Optimizer& optimizer, std::int64_t terms,
                       std::int64_t auxiliary)
    : optimizer_(optimizer),
      terms_(terms),
      auxiliary_(auxiliary),
      weights_(Tensor::zeros(context, {terms})),
      stopped_(Tensor::zeros(context, {1}, DType::kI32)),
      readback_(context, terms + kTotals + auxiliary),
      rates_entry_(staging_.add(optimizer.numbers())),
      weights_entry_(staging_.add(weights_)),
      replay_(context) {
  KT_CHECK(terms + kTotals + auxiliary <= NumberSources::kCapacity,
           "device step: {} terms, {} of them auxiliary", terms, auxiliary);
}

void DeviceStep::begin(double rate, std::span<const double> weights) {
  KT_CHECK(std::ssize(weights) == terms_, "device step: {} weights for {} terms", weights.size(),
           terms_);
  if (weights_.queue().planning) return;
  std::vector<float> applied;
  for (const double weight : weights)
    if (weight != 0) applied.push_back(static_cast<float>(weight));
  applied.resize(weights.size(), 0.0f);
  staging_.begin();
  staging_.write<float>(rates_entry_, optimizer_.begin_step(rate));
  staging_.write<float>(weights_entry_, applied);
  if (!timers_[timer_])
    for (auto& timer : timers_) timer = std::make_unique<GpuTimer>();
  timers_[timer_]->start(weights_.queue().stream);
  staging_.send();
}

void DeviceStep::update(std::span<const LossTerm> terms, const Tensor& total,
                        std::span<const Tensor> rows, std::span<const Tensor> gradients,
                        const Optimizer::Observer& observer) {
  KT_CHECK(std::ssize(terms) == terms_ && std::ssize(rows) == auxiliary_,
           "device step: {} terms and {} rows, made for {} and {}", terms.size(), rows.size(),
           terms_, auxiliary_);
  NumberSources sources;
  const auto next = [&] { return static_cast<std::size_t>(sources.count++); };
  for (const LossTerm& term : terms) sources.floats[next()] = term.value.span<float>().data;
  sources.floats[next()] = total.span<float>().data;
  sources.floats[next()] = optimizer_.norm().span<float>().data;
  for (const Tensor& count : rows) sources.integers[next()] = count.span<std::int32_t>().data;
  const auto guard = [&] {
    Tensor numbers = readback_.numbers(), factor = optimizer_.clip_scale();
    KT_RUN(numbers.queue(), step_numbers, sources, terms_ + kTotals, numbers.mutable_span<float>(),
           stopped_.mutable_span<std::int32_t>(), factor.mutable_span<float>());
  };
  optimizer_.enqueue(gradients, guard, observer);
}

std::int64_t DeviceStep::send() {
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
  for (std::size_t i = terms + kTotals; i < numbers.size(); ++i)
    step.rows.push_back(static_cast<std::int64_t>(numbers[i]));
  return step;
}

}  // namespace ktrain
