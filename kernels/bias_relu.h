// The backward pass of an epilogue act(v + bias[c]), shared by convolution and linear layers.
//   g[r,c]   = dy[r,c] where y[r,c] > 0, else 0  (y given: act is ReLU; y empty: act is identity)
//   dbias[c] = sum_r g[r,c]
// `g` may be empty (not wanted; with y empty it would be a copy of dy) and so may `dbias`.
// g may alias dy. No rows: dbias is zero. Sums run in a fixed order that does not depend on the
// number of threads: kBiasReluChunk rows each in T, then those in double. A NaN in y lets no
// gradient through; the loss is not finite then anyway.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

constexpr std::int64_t kBiasReluChunk = 256;

namespace cpu {

template <class T>
void bias_relu_backward(Rows<const T> y, Rows<const T> dy, Span<T> workspace, Rows<T> g,
                        Span<T> dbias);
// Elements of workspace for dbias, here and on CUDA; without dbias none is needed.
[[nodiscard]] std::int64_t bias_relu_backward_workspace(std::int64_t rows, std::int64_t cols);

}  // namespace cpu

namespace cuda {

void bias_relu_backward(CudaStream stream, Rows<const float> y, Rows<const float> dy,
                        Span<float> workspace, Rows<float> g, Span<float> dbias);

}  // namespace cuda
}  // namespace ktrain
