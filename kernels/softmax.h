// Softmax over the last axis.
//   forward:   y[r,c]  = exp(x[r,c] - max_k x[r,k]) / sum_k exp(x[r,k] - max_k x[r,k])
//   backward:  dx[r,c] = y[r,c] * (dy[r,c] - sum_k y[r,k] dy[r,k])
// Sums are taken in double, on the CPU in the order of k, on CUDA in one that depends on their
// number alone. Shapes must agree, or Error is thrown. Empty input is a no-op. y may alias x; dx
// may alias dy or y. A row with a NaN or +infinity becomes NaN.
#pragma once

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain::cpu {

template <class T>
void softmax_forward(Rows<const T> x, Rows<T> y);
template <class T>
void softmax_backward(Rows<const T> y, Rows<const T> dy, Rows<T> dx);

}  // namespace ktrain::cpu

namespace ktrain::cuda {

void softmax_forward(CudaStream stream, Rows<const float> x, Rows<float> y);
void softmax_backward(CudaStream stream, Rows<const float> y, Rows<const float> dy, Rows<float> dx);

}  // namespace ktrain::cuda
