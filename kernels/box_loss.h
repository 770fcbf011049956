// L1 or smooth L1 (Girshick 2015) between predicted and wanted box offsets. Row r of x holds one or
// several boxes, 4 columns each; slots[r] says which of them is trained, -1 none.
//   d = x[r, 4 * slots[r] + j] - target[r, j],   j = 0..3,   f = max(avg_factor[0], 1)
//   forward:   loss[0] = sum over rows with a slot and j of l(d) / f
//   backward:  dx = dloss[0] * l'(d) / f at those columns, 0 elsewhere
//   l(d) = |d| - beta / 2, or d^2 / (2 * beta) where |d| < beta; l'(0) = 0. beta = 0 is plain L1.
// avg_factor, loss and dloss have one element. The sum is taken in double in the order of rows. No
// row with a slot: loss 0. Shapes must agree and slots lie within the row, or Error is thrown.
#pragma once

#include <cstdint>

#include "kernels/view.h"

namespace ktrain::cpu {

// x: rows x (4 * boxes); target: rows x 4; slots: rows.
template <class T>
void box_loss_forward(Rows<const T> x, Rows<const T> target, Span<const std::int32_t> slots,
                      Span<const T> avg_factor, Span<T> loss, double beta);
template <class T>
void box_loss_backward(Rows<const T> x, Rows<const T> target, Span<const std::int32_t> slots,
                       Span<const T> avg_factor, Span<const T> dloss, Rows<T> dx, double beta);

}  // namespace ktrain::cpu
