// Stochastic gradient descent with momentum and coupled weight decay, the arithmetic of
// torch.optim.SGD (dampening 0, not Nesterov).
//   g = gradient_scale[0] * gradient[i] + weight_decay * w
//   v = momentum * v + g
//   w = w - learning_rate * v
// for every tensor of a list at once, on CUDA in a launch per 80. Everything that changes between
// steps is read from memory: the numbers below, rows of them for tensors of different rates, and
// the factor that a gradient clip has found, 1 for none. A NaN there leaves weight and velocity as
// they are. Sizes must agree, or Error is thrown; empty is a no-op. No two arrays of the list may
// overlap. velocity starts as zeros. The list itself lies on the host.
#pragma once

#include <array>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

struct SgdOptions {
  double learning_rate = 0.02;
  double momentum = 0.9;
  double weight_decay = 1e-4;
};

// Where each number of a step stands in memory.
enum SgdNumber : int {
  kSgdRate,
  kSgdMomentum,
  kSgdDecay,
  kSgdNumbers,  // how many there are
};

template <class T>
[[nodiscard]] std::array<T, kSgdNumbers> sgd_numbers(const SgdOptions& options);

template <class T>
struct SgdTensor {
  Span<const T> gradient;
  Span<T> weight, velocity;
  std::int64_t row = 0;  // of the numbers
};

namespace cpu {
// numbers: rows of kSgdNumbers; gradient_scale: one element.
template <class T>
void sgd(Span<const SgdTensor<T>> tensors, Span<const T> numbers, Span<const T> gradient_scale);
}  // namespace cpu

namespace cuda {
void sgd(CudaStream stream, Span<const SgdTensor<float>> tensors, Span<const float> numbers,
         Span<const float> gradient_scale);
}  // namespace cuda

}  // namespace ktrain
