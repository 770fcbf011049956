// Softmax over the last axis.
//   forward:   y[r,c]  = exp(x[r,c] - max_k x[r,k]) / sum_k exp(x[r,k] - max_k x[r,k])
//   backward:  dx[r,c] = y[r,c] * (dy[r,c] - sum_k y[r,k] dy[r,k])
// Sums are taken in double in the order of k. Shapes must agree, or Error is thrown. Empty input is
// a no-op. y may alias x; dx may alias dy or y. A row with a NaN or +infinity becomes NaN.
#pragma once

#include "kernels/view.h"

namespace ktrain::cpu {

template <class T>
void softmax_forward(Rows<const T> x, Rows<T> y);
template <class T>
void softmax_backward(Rows<const T> y, Rows<const T> dy, Rows<T> dx);

}  // namespace ktrain::cpu
