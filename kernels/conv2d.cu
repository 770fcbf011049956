// Convolutions as products (device/conv2d_products.cuh; product_simt.cuh or, where the caller
// accepts tf32, product_mma.cuh, chosen by product_plan.h). The matrices of taps are never made:
// operands look pixels up as they load (device/product_windows.cuh). One tap of stride 1 without
// padding is a plain product.
//
//   forward   y[pixel, k] = sum_t x[pixel's window, t] w[k, t], then the epilogue in registers
//   data      dx[pixel, c] = sum over (tap, k). With a stride only every stride-th tap by axis
//             reaches a pixel, which ones depends on the pixel's place: the pixels are dealt out to
//             stride^2 products with their own taps, all in one launch. Nothing is multiplied by a
//             zero that a stride put there, and every pixel is written once.
//   weights   dw[k, t] = sum_pixel g[pixel, k] x[pixel's window, t]: few tiles and a long sum, so
//             it is cut into runs of pixels. One more kernel adds the runs in their order and, with
//             a scale, takes dscale = <w, G> and dw = scale G from them on the way. dshift, the
//             sums of the columns of g, is taken by the blocks that bring g for the first taps.
#include "kernels/conv2d.h"

#include "kernels/device/conv2d_products.cuh"

namespace ktrain::cuda {
KT_CONV2D_FORWARD(float, float)
KT_CONV2D_BACKWARD(float)
}  // namespace ktrain::cuda
