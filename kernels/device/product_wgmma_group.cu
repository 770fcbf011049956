// The tier's kernels for groups of convolutions: a launch for all of them. A block's tile is one
// product's, whose maps it copies through.
#include "kernels/device/product_wgmma.cuh"

namespace ktrain::product {

template void multiply_wgmma<kMaxGroup>(const char*, CudaStream, const ProductPlan&,
                                        WgmmaBatch<kMaxGroup>);

}  // namespace ktrain::product
