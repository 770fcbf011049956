// Softmax cross-entropy over the last axis, with rows that do not count.
//   forward:   p[r,c]      = exp(x[r,c] - m_r) / sum_k exp(x[r,k] - m_r),   m_r = max_k x[r,k]
//              row_loss[r] = -log p[r, labels[r]]; 0 where labels[r] = -1
//              loss[0]     = sum_r row_loss[r] / max(avg_factor[0], 1)
//   backward:  dx[r,c]     = dloss[0] * (p[r,c] - [c == labels[r]]) / max(avg_factor[0], 1);
//                            0 in the rows where labels[r] = -1
// avg_factor, loss and dloss have one element. The sum over rows is taken in double, on the CPU in
// the order of r, on CUDA in an order that depends on their number alone. Shapes must agree. No
// rows: loss 0. Probabilities are written for every row. p may alias x; dx may alias p.
// A label outside -1 .. cols-1 throws on the CPU; on CUDA, where nothing can be thrown, it makes
// row_loss and loss NaN and its row of dx NaN.
#pragma once

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain::cpu {

template <class T>
void cross_entropy_forward(Rows<const T> x, Span<const std::int32_t> labels,
                           Span<const T> avg_factor, Rows<T> p, Span<T> row_loss, Span<T> loss);
template <class T>
void cross_entropy_backward(Rows<const T> p, Span<const std::int32_t> labels,
                            Span<const T> avg_factor, Span<const T> dloss, Rows<T> dx);

}  // namespace ktrain::cpu

namespace ktrain::cuda {

void cross_entropy_forward(CudaStream stream, Rows<const float> x, Span<const std::int32_t> labels,
                           Span<const float> avg_factor, Rows<float> p, Span<float> row_loss,
                           Span<float> loss);
void cross_entropy_backward(CudaStream stream, Rows<const float> p, Span<const std::int32_t> labels,
                            Span<const float> avg_factor, Span<const float> dloss, Rows<float> dx);

}  // namespace ktrain::cuda
