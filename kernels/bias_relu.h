// The backward pass of an epilogue act(v + bias[c]), shared by convolution and linear layers.
//   g[r,c]   = dy[r,c] where y[r,c] > 0, else 0  (y given: act is ReLU; y empty: act is identity)
//   dbias[c] = sum_r g[r,c]
// `g` may be empty (not wanted; with y empty it would be a copy of dy) and so may `dbias`.
// g may alias dy. No rows: dbias is zero. Sums run in a fixed order that does not depend on the
// number of threads. A NaN in y lets no gradient through; the loss is not finite then anyway.
#pragma once

#include <cstdint>

#include "kernels/view.h"

namespace ktrain::cpu {

template <class T>
void bias_relu_backward(Rows<const T> y, Rows<const T> dy, Span<T> workspace, Rows<T> g,
                        Span<T> dbias);
// Elements of workspace for dbias; without dbias none is needed.
[[nodiscard]] std::int64_t bias_relu_backward_workspace(std::int64_t rows, std::int64_t cols);

}  // namespace ktrain::cpu
