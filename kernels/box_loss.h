// L1 or smooth L1 (Girshick 2015) between predicted and wanted box offsets. Row r of x holds one or
// several boxes, 4 columns each; slots[r] says which of them is trained, -1 none.
//   d = x[r, 4 * slots[r] + j] - target[r, j],   j = 0..3,   f = max(avg_factor[0], 1)
//   forward:   loss[0] = sum over rows with a slot and j of l(d) / f
//   backward:  dx = dloss[0] * l'(d) / f at those columns, 0 elsewhere
//   l(d) = |d| - beta / 2, or d^2 / (2 * beta) where |d| < beta; l'(0) = 0. beta = 0 is plain L1.
// avg_factor, loss and dloss have one element. The sum is taken in double, on the CPU in the order
// of rows, on CUDA in one that depends on their number alone. No row with a slot: loss 0. Shapes
// must agree, or Error is thrown. A slot outside the row throws on the CPU (forward); on CUDA,
// where nothing can be thrown, it makes the loss and its row of dx NaN.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/sum_runs.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// Of box_loss_forward, for CUDA; the CPU does not touch it and takes an empty span.
[[nodiscard]] inline std::int64_t box_loss_scratch_bytes(std::int64_t rows) {
  return sum_scratch_bytes(rows);
}

namespace cpu {

// x: rows x (4 * boxes); target: rows x 4; slots: rows.
template <class T>
void box_loss_forward(Rows<const T> x, Rows<const T> target, Span<const std::int32_t> slots,
                      Span<const T> avg_factor, Span<T> loss, Span<std::byte> scratch, double beta);
template <class T>
void box_loss_backward(Rows<const T> x, Rows<const T> target, Span<const std::int32_t> slots,
                       Span<const T> avg_factor, Span<const T> dloss, Rows<T> dx, double beta);

}  // namespace cpu

namespace cuda {

void box_loss_forward(CudaStream stream, Rows<const float> x, Rows<const float> target,
                      Span<const std::int32_t> slots, Span<const float> avg_factor,
                      Span<float> loss, Span<std::byte> scratch, double beta);
void box_loss_backward(CudaStream stream, Rows<const float> x, Rows<const float> target,
                       Span<const std::int32_t> slots, Span<const float> avg_factor,
                       Span<const float> dloss, Rows<float> dx, double beta);

}  // namespace cuda
}  // namespace ktrain
