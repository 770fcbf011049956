// Matrix product with an epilogue, the whole of a linear layer's arithmetic.
//   c = act(op(a) op(b) + bias), op(m) = m or its transpose, act(v) = max(v, 0) with relu, else v
// op(a) is m x k, op(b) k x n, c m x n, bias n long or empty. A linear layer with weight w (out x
// in) is y = act(x w^T + bias); its backward is g = dy * (y > 0) with relu, else dy: see
// bias_relu.h; dx = g w, which ends as GradientEnd says, with the bits of separate passes; dw = g^T
// x, beside which dbias, the sums of the rows of g^T, may be taken: on the CPU with the bits of
// bias_relu.h, on CUDA in an order that depends on the shape alone.
// c aliases nothing. k = 0 gives act(bias); an empty c is a no-op but for the sums. Throws Error on
// shapes that do not fit or a workspace too small. Engines as in conv2d.h; CUDA has kAuto alone. Of
// matrices of Bfloat16 sums and bias are in float; c is rounded once, or is in float and not
// rounded.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/gradient_end.h"
#include "kernels/precision.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

enum class GemmEngine : std::uint8_t { kAuto, kReference, kOneDnn };

struct GemmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool relu = false;
  GemmEngine engine = GemmEngine::kAuto;
  Precision precision = Precision::kFloat;  // of float matrices: kFloat or kTf32
};

// What a product does beside c. `end`, where c is of T, is c's. `row_sums`, m long or empty, gets
// the sums of op(a)'s rows, of a product with transpose_a alone.
template <class T>
struct GemmSides {
  GradientEnd<T> end;
  Span<Wide<T>> row_sums;
};

namespace cpu {

// T: float, double, Bfloat16. C: T, or float.
template <class T, class C = T>
void gemm(Rows<const T> a, Rows<const T> b, Span<const Wide<T>> bias, Span<Wide<T>> workspace,
          Rows<C> c, const GemmOptions& options, const GemmSides<T>& sides = {});
// Elements of workspace that gemm needs with the same arguments (c for its shape); reads no memory.
template <class T>
[[nodiscard]] std::int64_t gemm_workspace(Rows<const T> a, Rows<const T> b,
                                          Span<const Wide<T>> bias, Rows<const T> c,
                                          const GemmOptions& options,
                                          const GemmSides<T>& sides = {});

}  // namespace cpu

namespace cuda {

// T: float, Bfloat16. C: T, or float.
template <class T, class C = T>
void gemm(CudaStream stream, Rows<const T> a, Rows<const T> b, Span<const Wide<T>> bias,
          Span<Wide<T>> workspace, Rows<C> c, const GemmOptions& options,
          const GemmSides<T>& sides = {});
// In every build.
template <class T>
[[nodiscard]] std::int64_t gemm_workspace(Rows<const T> a, Rows<const T> b,
                                          Span<const Wide<T>> bias, Rows<const T> c,
                                          const GemmOptions& options,
                                          const GemmSides<T>& sides = {});

}  // namespace cuda
}  // namespace ktrain
