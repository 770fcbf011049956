#include "train/weight_average.h"

#include <cmath>
#include <utility>

#include "kernels/elementwise.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

constexpr double kGamma = 2000;
const std::string kStepName = "average.step";

void copy_tensor(const Tensor& from, Tensor to) {
  KT_RUN(to.queue(), copy, from.span<float>(), to.mutable_span<float>());
}

}  // namespace

double average_momentum(double momentum, std::int64_t updates) {
  return (1 - momentum) * std::exp(-static_cast<double>(1 + updates) / kGamma) + momentum;
}

WeightAverage::WeightAverage(ParameterSet& parameters, double momentum)
    : parameters_(parameters), momentum_(momentum) {
  KT_CHECK(momentum > 0 && momentum <= 1, "weight average: momentum is {}", momentum);
  const MemoryUseScope use(MemoryUse::kOptimizer);
  for (const Parameter& parameter : parameters.all())
    averages_.push_back(parameter.value.detached().clone());
  KT_CHECK(!averages_.empty(), "weight average: no parameter");
  factors_ = Tensor::zeros(averages_[0].context(), {2});
}

void WeightAverage::update() {
  if (factors_.queue().planning) return enqueue();
  factors_.copy_from<float>(begin_update());
  enqueue();
}

std::vector<float> WeightAverage::begin_update() {
  const double keep = updates_ == 0 ? 0.0 : 1 - average_momentum(momentum_, updates_);
  ++updates_;
  return {static_cast<float>(keep), static_cast<float>(1.0 - keep)};
}

void WeightAverage::enqueue() {
  for (std::size_t i = 0; i < averages_.size(); ++i)
    KT_RUN(factors_.queue(), blend_by, parameters_.all()[i].value.span<float>(),
           averages_[i].mutable_span<float>(), factors_.span<float>());
}

void WeightAverage::swap() {
  const MemoryUseScope use(MemoryUse::kWorkspace);
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    Tensor& weight = parameters_.all()[i].value;
    const Tensor kept = Tensor::empty_like(weight);
    copy_tensor(weight, kept);
    copy_tensor(averages_[i], weight);
    copy_tensor(kept, averages_[i]);
  }
}

std::vector<NamedArray> WeightAverage::state() const {
  std::vector<NamedArray> arrays = {named_array(kStepName, {}, std::span(&updates_, 1))};
  for (std::size_t i = 0; i < averages_.size(); ++i)
    arrays.push_back(named_array(kAveragePrefix + parameters_.all()[i].name, averages_[i]));
  return arrays;
}

void WeightAverage::restore(const LoadedCheckpoint& from) {
  const auto name = [&](std::size_t i) { return kAveragePrefix + parameters_.all()[i].name; };
  for (std::size_t i = 0; i < averages_.size(); ++i)
    (void)from.bytes(array_spec(name(i), averages_[i]));
  std::int64_t updates = 0;
  from.copy({kStepName, ArrayType::kI64, {}}, std::as_writable_bytes(std::span(&updates, 1)));
  for (std::size_t i = 0; i < averages_.size(); ++i) load_tensor(from, name(i), averages_[i]);
  updates_ = updates;
}

}  // namespace ktrain
