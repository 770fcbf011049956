// Several convolutions in one launch (device/conv2d_group_products.cuh): products of one batch,
// whose tiles follow one another, so that the few of a small map run beside those of a large one.
//
//   forward, data   a product a member, whole sums
//   weights         a product a member. All members' k are cut into runs of one length, so that
//                   blocks take equally long whatever the sizes of the maps; a second launch adds
//                   a member's runs, or, where filters are shared, those of all members, in their
//                   order.
#include "kernels/conv2d_group.h"

#include "kernels/device/conv2d_group_products.cuh"

namespace ktrain::cuda {
KT_CONV2D_GROUP_FORWARD(float, float)
KT_CONV2D_GROUP_BACKWARD(float)
}  // namespace ktrain::cuda
