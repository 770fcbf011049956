// Matrix products of bf16: as gemm.cu, on tensor cores only (device/product_mma.cuh).
#include "kernels/device/gemm_products.cuh"
#include "kernels/gemm.h"

namespace ktrain {

namespace product {
KT_DENSE_PRODUCTS(Bfloat16)
}  // namespace product

namespace cuda {
KT_GEMM(Bfloat16, Bfloat16)
KT_GEMM(Bfloat16, float)
}  // namespace cuda

}  // namespace ktrain
