// Adam with decoupled weight decay: Loshchilov and Hutter 2019, the arithmetic of
// torch.optim.AdamW.
//   g = gradient_scale[0] * gradient[i]
//   w = w * (1 - lr * weight_decay)
//   m = m + (1 - beta1) * (g - m)
//   v = beta2 * v + (1 - beta2) * g * g
//   w = w - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// for every tensor of a list at once, on CUDA in a launch per 80. Everything that changes between
// steps is read from memory: the numbers below, rows of them for tensors of different rates, and
// the factor that a gradient clip has found, 1 for none. A NaN there leaves weight, m and v as they
// are. Sizes must agree, or Error is thrown; empty is a no-op. No two arrays of the list may
// overlap. m and v start as zeros. The list itself lies on the host.
#pragma once

#include <array>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

struct AdamwOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
};

// Where each number of a step stands in memory.
enum AdamwNumber : int {
  kAdamwDecay,      // 1 - lr * weight_decay
  kAdamwRate,       // lr / (1 - beta1^t)
  kAdamwMixM,       // 1 - beta1
  kAdamwKeepV,      // beta2
  kAdamwMixV,       // 1 - beta2
  kAdamwRootScale,  // sqrt(1 - beta2^t)
  kAdamwEps,
  kAdamwNumbers,  // how many there are
};

// The numbers of step `step`, the first being 1. Worked out in double, so that 1 - beta2 keeps its
// digits.
template <class T>
[[nodiscard]] std::array<T, kAdamwNumbers> adamw_numbers(const AdamwOptions& options,
                                                         std::int64_t step);

template <class T>
struct AdamwTensor {
  Span<const T> gradient;
  Span<T> weight, m, v;
  std::int64_t row = 0;  // of the numbers
};

namespace cpu {
// numbers: rows of kAdamwNumbers; gradient_scale: one element.
template <class T>
void adamw(Span<const AdamwTensor<T>> tensors, Span<const T> numbers, Span<const T> gradient_scale);
}  // namespace cpu
namespace cuda {
void adamw(CudaStream stream, Span<const AdamwTensor<float>> tensors, Span<const float> numbers,
           Span<const float> gradient_scale);
}  // namespace cuda

}  // namespace ktrain
