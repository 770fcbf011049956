#include "kernels/sgd.h"

#include <cmath>

#include "kernels/checks/update.h"
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

template <class T>
void update(const SgdTensor<T>& tensor, const T* n, T scale) {
  const T rate = n[kSgdRate], momentum = n[kSgdMomentum], decay = n[kSgdDecay];
  parallel_chunks(tensor.weight.size, kGrain,
                  [=](std::int64_t, std::int64_t begin, std::int64_t end) {
                    const T* __restrict const gi = tensor.gradient.data;
                    T* __restrict const wi = tensor.weight.data;
                    T* __restrict const vi = tensor.velocity.data;
                    for (std::int64_t i = begin; i < end; ++i) {
                      const T v = momentum * vi[i] + (scale * gi[i] + decay * wi[i]);
                      vi[i] = v;
                      wi[i] = wi[i] - rate * v;
                    }
                  });
}

}  // namespace

template <class T>
void sgd(Span<const SgdTensor<T>> tensors, Span<const T> numbers, Span<const T> gradient_scale) {
  check_sgd(tensors, numbers, gradient_scale);
  if (tensors.empty() || std::isnan(gradient_scale[0])) return;
  for (std::int64_t k = 0; k < tensors.size; ++k)
    update(tensors[k], numbers.data + tensors[k].row * kSgdNumbers, gradient_scale[0]);
}

template void sgd(Span<const SgdTensor<float>>, Span<const float>, Span<const float>);
template void sgd(Span<const SgdTensor<double>>, Span<const double>, Span<const double>);

}  // namespace cpu
}  // namespace ktrain
