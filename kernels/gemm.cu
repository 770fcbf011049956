// A matrix product in the four forms of its transposes, each with operands that run along their
// memory (device/product_operands.cuh). product_plan.h chooses, device/product_simt.cuh or, where
// the caller accepts tf32, product_mma.cuh does the arithmetic. The epilogue is applied to what
// stands in registers. Where k is cut, in tall weight gradients, runs go to the workspace and are
// added in their order.
#include "kernels/gemm.h"

#include "kernels/device/gemm_products.cuh"

namespace ktrain {
namespace product {

KT_DENSE_PRODUCTS(float)

}  // namespace product

namespace cuda {

void gemm(CudaStream stream, Rows<const float> a, Rows<const float> b, Span<const float> bias,
          Span<float> workspace, Rows<float> c, const GemmOptions& options) {
  const std::int64_t wanted = gemm_workspace(a, b, bias, c, options);
  product::DenseOutput<float> output;
  output.data = c.data;
  product::gemm(stream, a, b, bias, workspace, wanted, {c.rows, c.cols}, output, options);
}

}  // namespace cuda
}  // namespace ktrain
