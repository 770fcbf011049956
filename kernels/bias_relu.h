// The backward pass of an epilogue act(v + bias[c]), shared by convolution and linear layers.
//   g[r,c]   = dy[r,c] where y[r,c] > 0, else 0  (y given: act is ReLU; y empty: act is identity)
//   dbias[c] = sum_r g[r,c]
// `g` may be empty (not wanted; with y empty it would be a copy of dy) and so may `dbias`.
// g may alias dy. No rows: dbias is zero. Sums run in a fixed order that does not depend on the
// number of threads: kBiasReluChunk rows each in T, then those in double. A NaN in y lets no
// gradient through; the loss is not finite then anyway. Of maps of Bfloat16 the sums are in float.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

constexpr std::int64_t kBiasReluChunk = 256;

namespace cpu {

template <class T>
void bias_relu_backward(Rows<const T> y, Rows<const T> dy, Span<Wide<T>> workspace, Rows<T> g,
                        Span<Wide<T>> dbias);
// Elements of workspace for dbias, here and on CUDA; without dbias none is needed.
[[nodiscard]] std::int64_t bias_relu_backward_workspace(std::int64_t rows, std::int64_t cols);

}  // namespace cpu

namespace cuda {

template <class T>
void bias_relu_backward(CudaStream stream, Rows<const T> y, Rows<const T> dy,
                        Span<Wide<T>> workspace, Rows<T> g, Span<Wide<T>> dbias);

}  // namespace cuda
}  // namespace ktrain
