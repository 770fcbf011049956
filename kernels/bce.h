// Binary cross-entropy of logits with labels 1 and 0; a label of -1 does not count.
//   forward:   loss[0] = sum_i (max(x[i], 0) - x[i] * labels[i] + log(1 + exp(-|x[i]|))) / f
//   backward:  dx[i]   = dloss[0] * (1 / (1 + exp(-x[i])) - labels[i]) / f;  0 where labels[i] = -1
// with f = max(avg_factor[0], 1). avg_factor, loss and dloss have one element. No logit overflows.
// The sum is taken in double, on the CPU in the order of i, on CUDA in one that depends on the size
// alone. Nothing counted: loss 0. Sizes must agree, or Error is thrown. dx may alias x. Labels are
// -1, 0 or 1; another one throws on the CPU (forward); on CUDA, where nothing can be thrown, it
// makes the loss and its element of dx NaN.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/sum_runs.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// Of bce_forward, for CUDA; the CPU does not touch it and takes an empty span.
[[nodiscard]] inline std::int64_t bce_scratch_bytes(std::int64_t logits) {
  return sum_scratch_bytes(logits);
}

namespace cpu {

template <class T>
void bce_forward(Span<const T> x, Span<const std::int32_t> labels, Span<const T> avg_factor,
                 Span<T> loss, Span<std::byte> scratch);
template <class T>
void bce_backward(Span<const T> x, Span<const std::int32_t> labels, Span<const T> avg_factor,
                  Span<const T> dloss, Span<T> dx);

}  // namespace cpu

namespace cuda {

void bce_forward(CudaStream stream, Span<const float> x, Span<const std::int32_t> labels,
                 Span<const float> avg_factor, Span<float> loss, Span<std::byte> scratch);
void bce_backward(CudaStream stream, Span<const float> x, Span<const std::int32_t> labels,
                  Span<const float> avg_factor, Span<const float> dloss, Span<float> dx);

}  // namespace cuda
}  // namespace ktrain
