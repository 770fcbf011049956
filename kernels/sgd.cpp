#include "kernels/sgd.h"

#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain {

template <class T>
std::array<T, kSgdNumbers> sgd_numbers(const SgdOptions& options) {
  std::array<T, kSgdNumbers> numbers{};
  numbers[kSgdRate] = static_cast<T>(options.learning_rate);
  numbers[kSgdMomentum] = static_cast<T>(options.momentum);
  numbers[kSgdDecay] = static_cast<T>(options.weight_decay);
  return numbers;
}

template std::array<float, kSgdNumbers> sgd_numbers(const SgdOptions&);
template std::array<double, kSgdNumbers> sgd_numbers(const SgdOptions&);

namespace cpu {
namespace {

constexpr std::int64_t kGrain = 16384;

}  // namespace

template <class T>
void sgd(Span<const T> gradient, Span<const T> numbers, Span<const T> gradient_scale,
         Span<T> weight, Span<T> velocity) {
  KT_CHECK(gradient.size == weight.size && velocity.size == weight.size,
           "sgd: {} weights, {} gradients, {} velocities", weight.size, gradient.size,
           velocity.size);
  KT_CHECK(numbers.size == kSgdNumbers && gradient_scale.size == 1,
           "sgd: {} numbers, wanted {}; gradient_scale has {} elements, wanted 1", numbers.size,
           static_cast<int>(kSgdNumbers), gradient_scale.size);
  const T rate = numbers[kSgdRate], momentum = numbers[kSgdMomentum], decay = numbers[kSgdDecay];
  const T scale = gradient_scale[0];
  if (std::isnan(scale)) return;
  parallel_chunks(weight.size, kGrain, [=](std::int64_t, std::int64_t begin, std::int64_t end) {
    const T* __restrict const gi = gradient.data;
    T* __restrict const wi = weight.data;
    T* __restrict const vi = velocity.data;
    for (std::int64_t i = begin; i < end; ++i) {
      const T v = momentum * vi[i] + (scale * gi[i] + decay * wi[i]);
      vi[i] = v;
      wi[i] = wi[i] - rate * v;
    }
  });
}

template void sgd(Span<const float>, Span<const float>, Span<const float>, Span<float>,
                  Span<float>);
template void sgd(Span<const double>, Span<const double>, Span<const double>, Span<double>,
                  Span<double>);

}  // namespace cpu
}  // namespace ktrain
