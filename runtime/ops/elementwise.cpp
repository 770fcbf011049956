#include "kernels/elementwise.h"

#include "kernels/check.h"
#include "runtime/map_type.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

void check_same(const char* op, const Tensor& x, const Tensor& y) {
  KT_CHECK(x.shape() == y.shape(), "{}: x is {}, y is {}", op, x.shape().text(), y.shape().text());
}

Tensor converted(const Tensor& x, DType dtype) {
  Tensor y = Tensor::empty(x.context(), x.shape(), dtype);
  if (dtype == DType::kBf16)
    KT_RUN(x.queue(), convert, x.span<float>(), y.mutable_span<Bfloat16>());
  else
    KT_RUN(x.queue(), convert, x.span<Bfloat16>(), y.mutable_span<float>());
  return y;
}

}  // namespace

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  return record("cast", {x}, converted(x, dtype),
                [from = x.dtype()](const Tensor& dy, const Wanted&) {
                  return std::vector{converted(dy, from)};
                });
}

void accumulate_into(Tensor& y, const Tensor& x) {
  check_same("accumulate_into", x, y);
  with_map_type(
      y, [&]<class T>(T) { KT_RUN(y.queue(), accumulate, x.span<T>(), y.mutable_span<T>()); });
}

Tensor filled(const ContextPtr& context, const Shape& shape, float value) {
  Tensor y = Tensor::empty(context, shape);
  KT_RUN(y.queue(), fill, y.mutable_span<float>(), value);
  return y;
}

Tensor add(const Tensor& x, const Tensor& y) {
  check_same("add", x, y);
  Tensor sum = Tensor::empty_like(x);
  with_map_type(x, [&]<class T>(T) {
    KT_RUN(x.queue(), add, x.span<T>(), y.span<T>(), sum.mutable_span<T>());
  });
  return record("add", {x, y}, sum, [](const Tensor& dy, const Wanted&) {
    return std::vector{dy, dy};
  });
}

Tensor relu(const Tensor& x) {
  Tensor y = Tensor::empty_like(x);
  with_map_type(
      x, [&]<class T>(T) { KT_RUN(x.queue(), relu_forward, x.span<T>(), y.mutable_span<T>()); });
  return record("relu", {x}, y, [y](const Tensor& dy, const Wanted&) {
    Tensor dx = Tensor::empty_like(dy);
    with_map_type(dy, [&]<class T>(T) {
      KT_RUN(dy.queue(), relu_backward, y.span<T>(), dy.span<T>(), dx.mutable_span<T>());
    });
    return std::vector{dx};
  });
}

Tensor weighted_sum(const std::vector<Tensor>& terms, const std::vector<float>& weights) {
  KT_CHECK(!terms.empty() && terms.size() == weights.size(), "weighted_sum: {} terms, {} weights",
           terms.size(), weights.size());
  Tensor total = filled(terms[0].context(), terms[0].shape(), 0);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    check_same("weighted_sum", terms[i], total);
    KT_RUN(total.queue(), accumulate_scaled, terms[i].span<float>(), total.mutable_span<float>(),
           weights[i]);
  }
  return record("weighted_sum", terms, total, [weights](const Tensor& dy, const Wanted& wanted) {
    std::vector<Tensor> results(weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (!wanted[i]) continue;
      results[i] = Tensor::empty_like(dy);
      KT_RUN(dy.queue(), scale, dy.span<float>(), results[i].mutable_span<float>(), weights[i]);
    }
    return results;
  });
}

Tensor weighted_sum(const std::vector<Tensor>& terms, const Tensor& weights) {
  KT_CHECK(!terms.empty() && std::ssize(terms) == weights.size() &&
               std::ssize(terms) <= Terms<float>::kCapacity,
           "weighted_sum: {} terms, {} weights, {} are possible", terms.size(), weights.size(),
           Terms<float>::kCapacity + 0);
  Tensor total = Tensor::empty_like(terms[0]);
  Terms<float> views;
  for (const Tensor& term : terms) {
    check_same("weighted_sum", term, total);
    views.terms[static_cast<std::size_t>(views.count++)] = term.span<float>();
  }
  KT_RUN(total.queue(), weighted_sum, views, weights.span<float>(), total.mutable_span<float>());
  return record("weighted_sum", terms, total,
                [weights = weights.detached()](const Tensor& dy, const Wanted& wanted) {
                  std::vector<Tensor> results(wanted.size());
                  for (std::size_t i = 0; i < results.size(); ++i) {
                    if (!wanted[i]) continue;
                    results[i] = Tensor::empty_like(dy);
                    const auto at = static_cast<std::int64_t>(i);
                    KT_RUN(dy.queue(), scale_by, dy.span<float>(),
                           weights.slice(at, at + 1).span<float>(),
                           results[i].mutable_span<float>());
                  }
                  return results;
                });
}

}  // namespace ktrain
