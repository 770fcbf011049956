// Convolutions of bf16: as conv2d.cu, on tensor cores only (device/product_mma.cuh).
#include "kernels/conv2d.h"
#include "kernels/device/conv2d_products.cuh"

namespace ktrain::cuda {
KT_CONV2D_FORWARD(Bfloat16, Bfloat16)
KT_CONV2D_FORWARD(Bfloat16, float)
KT_CONV2D_BACKWARD(Bfloat16)
}  // namespace ktrain::cuda
