// 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3), float, channels last; see
// winograd_transform.h. A quarter of the direct method's multiplications, rounding errors about
// five times as large (1e-6 of the output's root mean square). Results do not depend on the number
// of threads. Arguments as in conv2d_engines.h; `fits` must hold.
#pragma once

#include <cstdint>

#include "kernels/conv2d.h"

namespace ktrain::cpu::winograd {

// Whether the method computes this convolution (x to y by filters w; channels by whole vectors).
[[nodiscard]] bool fits(Nhwc<const float> x, Krsc<const float> w, const Conv2dOptions& options);
// What numbers of channels and filters must be a multiple of.
[[nodiscard]] std::int64_t channel_multiple();
// Whether it is faster than the direct method, a rule found by measurement (docs/performance.md).
[[nodiscard]] bool pays(Nhwc<const float> y);

void conv2d_forward(Nhwc<const float> x, Krsc<const float> w, Conv2dEpilogue<float> epilogue,
                    float* workspace, Nhwc<float> y, const Conv2dOptions& options);
[[nodiscard]] std::int64_t conv2d_forward_workspace(Nhwc<const float> x, Nhwc<const float> y);

void conv2d_backward_data(Nhwc<const float> g, Krsc<const float> w, Span<const float> scale,
                          float* workspace, Nhwc<float> dx, const Conv2dOptions& options);
[[nodiscard]] std::int64_t conv2d_backward_data_workspace(Nhwc<const float> g,
                                                          Nhwc<const float> dx);

void conv2d_backward_weights(Nhwc<const float> x, Nhwc<const float> g, float* workspace,
                             Krsc<float> dw, const Conv2dOptions& options);
[[nodiscard]] std::int64_t conv2d_backward_weights_workspace(Nhwc<const float> x,
                                                             Nhwc<const float> g);

}  // namespace ktrain::cpu::winograd
