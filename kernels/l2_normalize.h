// Rows of unit length.
//   norm[r]  = sqrt(sum_c x[r,c]^2)
//   y[r,c]   = x[r,c] / norm[r];   0 where norm[r] < 1e-12: such a row has no direction
//   dx[r,c]  = (dy[r,c] - y[r,c] sum_k y[r,k] dy[r,k]) / norm[r];   0 where y is
// and, to let gradients pass for some rows only,
//   scale_rows  y[r,c] = factor[r] * x[r,c]
// Sums in double, on CUDA in an order that depends on the columns alone. y may be x; dx may be dy.
// Empty input is a no-op. Throws Error on other shapes.
#pragma once

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain::cpu {

template <class T>
void l2_normalize_forward(Rows<const T> x, Rows<T> y, Span<T> norm);
template <class T>
void l2_normalize_backward(Rows<const T> y, Span<const T> norm, Rows<const T> dy, Rows<T> dx);
template <class T>
void scale_rows(Rows<const T> x, Span<const T> factor, Rows<T> y);

}  // namespace ktrain::cpu

namespace ktrain::cuda {

void l2_normalize_forward(CudaStream stream, Rows<const float> x, Rows<float> y, Span<float> norm);
void l2_normalize_backward(CudaStream stream, Rows<const float> y, Span<const float> norm,
                           Rows<const float> dy, Rows<float> dx);
void scale_rows(CudaStream stream, Rows<const float> x, Span<const float> factor, Rows<float> y);

}  // namespace ktrain::cuda
