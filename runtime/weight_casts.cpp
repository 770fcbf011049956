#include "runtime/weight_casts.h"

#include <algorithm>
#include <vector>

#include "kernels/convert_list.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

// `weight` is held, so that its memory cannot become another tensor's.
struct WeightCast {
  Tensor weight, copy;
};

Tensor converted(const Tensor& weight, DType dtype) {
  const NoGradScope no_grad;
  const MemoryUseScope use(MemoryUse::kParameters);
  return cast(weight, dtype);
}

bool is_same(const Tensor& a, const Tensor& b) {
  return a.shares_memory(b) && a.shape() == b.shape() &&
         a.span<float>().data == b.span<float>().data;
}

}  // namespace

struct WeightCastScope::Casts {
  std::vector<WeightCast> all;
};
thread_local WeightCastScope::Casts* WeightCastScope::current_ = nullptr;

WeightCastScope::WeightCastScope() {
  if (current_ != nullptr) return;
  own_ = std::make_unique<Casts>();
  current_ = own_.get();
}

WeightCastScope::WeightCastScope(std::span<const Tensor> weights, DType dtype) : WeightCastScope() {
  if (!own_ || weights.empty() || dtype == DType::kF32) return;
  const MemoryUseScope use(MemoryUse::kParameters);
  std::vector<Conversion> list;
  for (const Tensor& weight : weights) {
    Tensor copy = Tensor::empty(weight.context(), weight.shape(), dtype);
    list.push_back({weight.span<float>(), copy.mutable_span<Bfloat16>()});
    own_->all.push_back({weight.detached(), std::move(copy)});
  }
  const std::span<const Conversion> all = list;
  KT_RUN(weights[0].queue(), convert_list, all);
}

WeightCastScope::~WeightCastScope() {
  if (own_) current_ = nullptr;
}

Tensor weight_as(const Tensor& weight, DType dtype) {
  if (weight.dtype() == dtype) return weight.detached();
  if (WeightCastScope::current_ == nullptr) return converted(weight, dtype);
  std::vector<WeightCast>& casts = WeightCastScope::current_->all;
  const auto found = std::find_if(casts.begin(), casts.end(), [&](const WeightCast& cast) {
    return cast.copy.dtype() == dtype && is_same(cast.weight, weight);
  });
  if (found != casts.end()) return found->copy;
  casts.push_back({weight.detached(), converted(weight, dtype)});
  return casts.back().copy;
}

}  // namespace ktrain
