// Matrix products of bf16: as gemm.cu, on tensor cores only (device/product_mma.cuh).
#include "kernels/device/gemm_products.cuh"
#include "kernels/gemm.h"

namespace ktrain {
namespace product {

KT_DENSE_PRODUCTS(Bfloat16)

namespace {

void check_size(Rows<const Bfloat16> a, Rows<const Bfloat16> b, std::int64_t rows,
                std::int64_t cols, const GemmOptions& options) {
  const std::int64_t m = options.transpose_a ? a.cols : a.rows;
  const std::int64_t n = options.transpose_b ? b.rows : b.cols;
  KT_CHECK(rows == m && cols == n, "gemm: c is {}x{}, wanted {}x{}", rows, cols, m, n);
}

}  // namespace
}  // namespace product

namespace cuda {

void gemm(CudaStream stream, Rows<const Bfloat16> a, Rows<const Bfloat16> b, Span<const float> bias,
          Span<float> workspace, Rows<Bfloat16> c, const GemmOptions& options) {
  const std::int64_t wanted = gemm_workspace(a, b, bias, options);
  product::check_size(a, b, c.rows, c.cols, options);
  product::DenseOutput<Bfloat16> output;
  output.data = c.data;
  product::gemm(stream, a, b, bias, workspace, wanted, {c.rows, c.cols}, output, options);
}

void gemm(CudaStream stream, Rows<const Bfloat16> a, Rows<const Bfloat16> b, Span<const float> bias,
          Span<float> workspace, Rows<float> c, const GemmOptions& options) {
  const std::int64_t wanted = gemm_workspace(a, b, bias, options);
  product::check_size(a, b, c.rows, c.cols, options);
  product::DenseOutput<Bfloat16> output;
  output.wide = c.data;
  product::gemm(stream, a, b, bias, workspace, wanted, {c.rows, c.cols}, output, options);
}

}  // namespace cuda
}  // namespace ktrain
