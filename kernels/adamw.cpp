#include "kernels/adamw.h"

#include <cmath>

#include "kernels/checks/update.h"
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

template <class T>
void update(const AdamwTensor<T>& tensor, const T* n, T scale) {
  const T decay = n[kAdamwDecay], rate = n[kAdamwRate], mix_m = n[kAdamwMixM];
  const T keep_v = n[kAdamwKeepV], mix_v = n[kAdamwMixV], root_scale = n[kAdamwRootScale];
  const T eps = n[kAdamwEps];
  parallel_chunks(
      tensor.weight.size, kGrain, [=](std::int64_t, std::int64_t begin, std::int64_t end) {
        const T* __restrict const gi = tensor.gradient.data;
        T* __restrict const wi = tensor.weight.data;
        T* __restrict const mi = tensor.m.data;
        T* __restrict const vi = tensor.v.data;
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

}  // namespace

template <class T>
void adamw(Span<const AdamwTensor<T>> tensors, Span<const T> numbers,
           Span<const T> gradient_scale) {
  check_adamw(tensors, numbers, gradient_scale);
  if (tensors.empty() || std::isnan(gradient_scale[0])) return;
  for (std::int64_t k = 0; k < tensors.size; ++k)
    update(tensors[k], numbers.data + tensors[k].row * kAdamwNumbers, gradient_scale[0]);
}

template void adamw(Span<const AdamwTensor<float>>, Span<const float>, Span<const float>);
template void adamw(Span<const AdamwTensor<double>>, Span<const double>, Span<const double>);

}  // namespace cpu
}  // namespace ktrain
