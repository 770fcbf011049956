#include "kernels/check.h"
#include "kernels/parallel.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

void check_same(const char* op, const Tensor& x, const Tensor& y) {
  KT_CHECK(x.shape() == y.shape(), "{}: x is {}, y is {}", op, x.shape().text(), y.shape().text());
}

}  // namespace

void accumulate_into(Tensor& y, const Tensor& x) {
  check_same("accumulate_into", x, y);
  const Span<const float> from = x.span<float>();
  const Span<float> to = y.mutable_span<float>();
  run_on_cpu(y.queue(), "accumulate",
             [&] { parallel_for(to.size, kGrain, [&](std::int64_t i) { to[i] += from[i]; }); });
}

Tensor filled(const ContextPtr& context, const Shape& shape, float value) {
  Tensor y = Tensor::empty(context, shape);
  const Span<float> out = y.mutable_span<float>();
  run_on_cpu(y.queue(), "fill", [&] { std::fill(out.data, out.data + out.size, value); });
  return y;
}

Tensor add(const Tensor& x, const Tensor& y) {
  check_same("add", x, y);
  Tensor sum = Tensor::empty_like(x);
  const Span<const float> a = x.span<float>(), b = y.span<float>();
  const Span<float> out = sum.mutable_span<float>();
  run_on_cpu(x.queue(), "add", [&] {
    parallel_for(out.size, kGrain, [&](std::int64_t i) { out[i] = a[i] + b[i]; });
  });
  return record("add", {x, y}, sum, [](const Tensor& dy, const Wanted&) {
    return std::vector{dy, dy};
  });
}

Tensor weighted_sum(const std::vector<Tensor>& terms, const std::vector<float>& weights) {
  KT_CHECK(!terms.empty() && terms.size() == weights.size(), "weighted_sum: {} terms, {} weights",
           terms.size(), weights.size());
  Tensor total = Tensor::zeros(terms[0].context(), terms[0].shape());
  const auto axpy = [](float weight, const Tensor& x, Tensor& y) {
    const Span<const float> from = x.span<float>();
    const Span<float> to = y.mutable_span<float>();
    run_on_cpu(y.queue(), "axpy", [&] {
      parallel_for(to.size, kGrain, [&](std::int64_t i) { to[i] += weight * from[i]; });
    });
  };
  for (std::size_t i = 0; i < terms.size(); ++i) {
    check_same("weighted_sum", terms[i], total);
    axpy(weights[i], terms[i], total);
  }
  return record("weighted_sum", terms, total,
                [weights, axpy](const Tensor& dy, const Wanted& wanted) {
                  std::vector<Tensor> results(weights.size());
                  for (std::size_t i = 0; i < weights.size(); ++i) {
                    if (!wanted[i]) continue;
                    results[i] = Tensor::zeros(dy.context(), dy.shape());
                    axpy(weights[i], dy, results[i]);
                  }
                  return results;
                });
}

}  // namespace ktrain
