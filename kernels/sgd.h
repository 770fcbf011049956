// Stochastic gradient descent with momentum and coupled weight decay, the arithmetic of
// torch.optim.SGD (dampening 0, not Nesterov).
//   g = gradient_scale[0] * gradient[i] + weight_decay * w
//   v = momentum * v + g
//   w = w - learning_rate * v
// Everything that changes between steps is read from memory: the numbers below, and the factor that
// a gradient clip has found, 1 for none. A NaN there leaves weight and velocity as they are.
// Sizes must agree, or Error is thrown; empty is a no-op.
// No two of gradient, weight and velocity may overlap. velocity starts as zeros.
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

namespace cpu {
template <class T>
void sgd(Span<const T> gradient, Span<const T> numbers, Span<const T> gradient_scale,
         Span<T> weight, Span<T> velocity);
}  // namespace cpu

namespace cuda {
void sgd(CudaStream stream, Span<const float> gradient, Span<const float> numbers,
         Span<const float> gradient_scale, Span<float> weight, Span<float> velocity);
}  // namespace cuda

}  // namespace ktrain
