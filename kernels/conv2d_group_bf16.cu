// Groups of convolutions of bf16: as conv2d_group.cu, on tensor cores only.
#include "kernels/conv2d_group.h"
#include "kernels/device/conv2d_group_products.cuh"

namespace ktrain::cuda {
KT_CONV2D_GROUP_FORWARD(Bfloat16, Bfloat16)
KT_CONV2D_GROUP_FORWARD(Bfloat16, float)
KT_CONV2D_GROUP_BACKWARD(Bfloat16)
}  // namespace ktrain::cuda
