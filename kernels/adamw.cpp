#include "kernels/adamw.h"

#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain {

template <class T>
std::array<T, kAdamwNumbers> adamw_numbers(const AdamwOptions& options, std::int64_t step) {
  KT_CHECK(step >= 1, "adamw_numbers: step {}, the first is 1", step);
  const double t = static_cast<double>(step);
  std::array<T, kAdamwNumbers> numbers{};
  numbers[kAdamwDecay] = static_cast<T>(1 - options.learning_rate * options.weight_decay);
  numbers[kAdamwRate] = static_cast<T>(options.learning_rate / (1 - std::pow(options.beta1, t)));
  numbers[kAdamwMixM] = static_cast<T>(1 - options.beta1);
  numbers[kAdamwKeepV] = static_cast<T>(options.beta2);
  numbers[kAdamwMixV] = static_cast<T>(1 - options.beta2);
  numbers[kAdamwRootScale] = static_cast<T>(std::sqrt(1 - std::pow(options.beta2, t)));
  numbers[kAdamwEps] = static_cast<T>(options.eps);
  return numbers;
}

template std::array<float, kAdamwNumbers> adamw_numbers(const AdamwOptions&, std::int64_t);
template std::array<double, kAdamwNumbers> adamw_numbers(const AdamwOptions&, std::int64_t);

namespace cpu {
namespace {

constexpr std::int64_t kGrain = 16384;

}  // namespace

template <class T>
void adamw(Span<const T> gradient, Span<const T> numbers, Span<const T> gradient_scale,
           Span<T> weight, Span<T> m, Span<T> v) {
  KT_CHECK(gradient.size == weight.size && m.size == weight.size && v.size == weight.size,
           "adamw: {} weights, {} gradients, {} first and {} second moments", weight.size,
           gradient.size, m.size, v.size);
  KT_CHECK(numbers.size == kAdamwNumbers, "adamw: {} numbers, wanted {}", numbers.size,
           static_cast<int>(kAdamwNumbers));
  KT_CHECK(gradient_scale.size == 1, "adamw: gradient_scale has {} elements, wanted 1",
           gradient_scale.size);
  const T* const n = numbers.data;
  const T decay = n[kAdamwDecay], rate = n[kAdamwRate], mix_m = n[kAdamwMixM];
  const T keep_v = n[kAdamwKeepV], mix_v = n[kAdamwMixV], root_scale = n[kAdamwRootScale];
  const T eps = n[kAdamwEps], scale = gradient_scale.data[0];
  if (std::isnan(scale)) return;
  parallel_chunks(weight.size, kGrain, [=](std::int64_t, std::int64_t begin, std::int64_t end) {
    const T* __restrict const gi = gradient.data;
    T* __restrict const wi = weight.data;
    T* __restrict const mi = m.data;
    T* __restrict const vi = v.data;
    for (std::int64_t i = begin; i < end; ++i) {
      const T g = scale * gi[i];
      const T first = mi[i] + mix_m * (g - mi[i]);
      const T second = keep_v * vi[i] + mix_v * g * g;
      mi[i] = first;
      vi[i] = second;
      wi[i] = wi[i] * decay - rate * (first / (std::sqrt(second) / root_scale + eps));
    }
  });
}

template void adamw(Span<const float>, Span<const float>, Span<const float>, Span<float>,
                    Span<float>, Span<float>);
template void adamw(Span<const double>, Span<const double>, Span<const double>, Span<double>,
                    Span<double>, Span<double>);

}  // namespace cpu
}  // namespace ktrain
