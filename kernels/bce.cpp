#include "kernels/bce.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;

template <class T, class U>
void check(const char* kernel, Span<const T> x, Span<const std::int32_t> labels,
           Span<const T> avg_factor, Span<U> one) {
  KT_CHECK(labels.size == x.size, "{}: {} logits, {} labels", kernel, x.size, labels.size);
  KT_CHECK(avg_factor.size == 1 && one.size == 1,
           "{}: avg_factor has {} elements, the loss or its gradient {}, 1 wanted", kernel,
           avg_factor.size, one.size);
}

}  // namespace

template <class T>
void bce_forward(Span<const T> x, Span<const std::int32_t> labels, Span<const T> avg_factor,
                 Span<T> loss, Span<std::byte> /*scratch*/) {
  check("bce_forward", x, labels, avg_factor, loss);
  double total = 0;
  for (std::int64_t i = 0; i < x.size; ++i) {
    const std::int32_t label = labels[i];
    if (label == -1) continue;
    KT_CHECK(label == 0 || label == 1, "bce_forward: label {} at {}, wanted -1, 0 or 1", label, i);
    const double z = static_cast<double>(x[i]);
    // A NaN must reach the sum: std::max(z, 0.0) keeps it, std::max(0.0, z) would not.
    total += std::max(z, 0.0) - z * label + std::log1p(std::exp(-std::abs(z)));
  }
  loss[0] = static_cast<T>(total / std::max(static_cast<double>(avg_factor[0]), 1.0));
}

template <class T>
void bce_backward(Span<const T> x, Span<const std::int32_t> labels, Span<const T> avg_factor,
                  Span<const T> dloss, Span<T> dx) {
  check("bce_backward", x, labels, avg_factor, dloss);
  KT_CHECK(dx.size == x.size, "bce_backward: {} logits, dx has {}", x.size, dx.size);
  const T factor = dloss[0] / std::max(avg_factor[0], T{1});
  parallel_for(x.size, kGrain, [&](std::int64_t i) {
    const std::int32_t label = labels[i];
    dx[i] = label == -1 ? T{0} : factor * (T{1} / (T{1} + std::exp(-x[i])) - static_cast<T>(label));
  });
}

template void bce_forward(Span<const float>, Span<const std::int32_t>, Span<const float>,
                          Span<float>, Span<std::byte>);
template void bce_forward(Span<const double>, Span<const std::int32_t>, Span<const double>,
                          Span<double>, Span<std::byte>);
template void bce_backward(Span<const float>, Span<const std::int32_t>, Span<const float>,
                           Span<const float>, Span<float>);
template void bce_backward(Span<const double>, Span<const std::int32_t>, Span<const double>,
                           Span<const double>, Span<double>);

}  // namespace ktrain::cpu
