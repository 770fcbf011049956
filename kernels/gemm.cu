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
KT_GEMM(float, float)
}  // namespace cuda

}  // namespace ktrain
