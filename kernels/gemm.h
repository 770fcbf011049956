// Matrix product with an epilogue, the whole of a linear layer's arithmetic.
//   c = act(op(a) op(b) + bias), op(m) = m or its transpose, act(v) = max(v, 0) with relu, else v
// op(a) is m x k, op(b) k x n, c m x n, bias n long or empty. A linear layer with weight w (out x
// in) is y = act(x w^T + bias); its backward is g of bias_relu.h, dx = g w, dw = g^T x.
// c aliases nothing. k = 0 gives act(bias); an empty c is a no-op. Throws Error on shapes that do
// not fit or a workspace too small. Engines as in conv2d.h; CUDA has kAuto alone. On CUDA also with
// matrices of Bfloat16 and c of Bfloat16 or float: sums and bias are in float, c is rounded once.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
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

namespace cpu {

template <class T>
void gemm(Rows<const T> a, Rows<const T> b, Span<const T> bias, Span<T> workspace, Rows<T> c,
          const GemmOptions& options);
// Elements of workspace that gemm needs with the same arguments; reads no memory.
template <class T>
[[nodiscard]] std::int64_t gemm_workspace(Rows<const T> a, Rows<const T> b, Span<const T> bias,
                                          Rows<const T> c, const GemmOptions& options);

}  // namespace cpu

namespace cuda {

void gemm(CudaStream stream, Rows<const float> a, Rows<const float> b, Span<const float> bias,
          Span<float> workspace, Rows<float> c, const GemmOptions& options);
// In every build.
[[nodiscard]] std::int64_t gemm_workspace(Rows<const float> a, Rows<const float> b,
                                          Span<const float> bias, Rows<const float> c,
                                          const GemmOptions& options);

void gemm(CudaStream stream, Rows<const Bfloat16> a, Rows<const Bfloat16> b, Span<const float> bias,
          Span<float> workspace, Rows<Bfloat16> c, const GemmOptions& options);
void gemm(CudaStream stream, Rows<const Bfloat16> a, Rows<const Bfloat16> b, Span<const float> bias,
          Span<float> workspace, Rows<float> c, const GemmOptions& options);
[[nodiscard]] std::int64_t gemm_workspace(Rows<const Bfloat16> a, Rows<const Bfloat16> b,
                                          Span<const float> bias, const GemmOptions& options);

}  // namespace cuda
}  // namespace ktrain
