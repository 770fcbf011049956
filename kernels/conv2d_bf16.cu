// Convolutions of bf16: as conv2d.cu, on tensor cores only (device/product_mma.cuh).
#include "kernels/conv2d.h"
#include "kernels/device/conv2d_products.cuh"

namespace ktrain::cuda {

void conv2d_forward(CudaStream stream, Nhwc<const Bfloat16> x, Krsc<const Bfloat16> w,
                    Conv2dEpilogue<Bfloat16, float> epilogue, Span<float> workspace,
                    Nhwc<Bfloat16> y, const Conv2dOptions& options) {
  product::forward(stream, x, w, epilogue, workspace, y, options);
}

void conv2d_backward_data(CudaStream stream, Nhwc<const Bfloat16> g, Krsc<const Bfloat16> w,
                          Span<const float> scale, Span<float> workspace, Nhwc<Bfloat16> dx,
                          const Conv2dOptions& options) {
  product::backward_data(stream, g, w, scale, workspace, dx, options);
}

void conv2d_backward_weights(CudaStream stream, Nhwc<const Bfloat16> x, Nhwc<const Bfloat16> g,
                             Conv2dScaled<Bfloat16, float> forward, Span<float> workspace,
                             Krsc<float> dw, Span<float> dscale, const Conv2dOptions& options) {
  product::backward_weights(stream, x, g, forward, workspace, dw, dscale, options);
}

}  // namespace ktrain::cuda
