// The engines behind conv2d.h. Arguments were checked, nothing is empty and engines are resolved.
#pragma once

#include <cstdint>

#include "kernels/conv2d.h"

namespace ktrain::cpu {

namespace reference {

template <class T>
void conv2d_forward(Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue, Nhwc<T> y,
                    const Conv2dOptions& options);
template <class T>
void conv2d_backward_data(Nhwc<const T> g, Krsc<const T> w, Span<const T> scale, Nhwc<T> dx,
                          const Conv2dOptions& options);
// dw becomes G, not yet scaled.
template <class T>
void conv2d_backward_weights(Nhwc<const T> x, Nhwc<const T> g, Krsc<T> dw,
                             const Conv2dOptions& options);

}  // namespace reference

namespace onednn {

// False on a processor without AVX2 (or when oneDNN is held below it): 2.6 computes wrong 3x3
// convolutions of 3 channels there.
[[nodiscard]] bool is_trusted();

void conv2d_forward(Nhwc<const float> x, Krsc<const float> w, Conv2dEpilogue<float> epilogue,
                    float* workspace, Nhwc<float> y, const Conv2dOptions& options);
[[nodiscard]] std::int64_t conv2d_forward_workspace(Nhwc<const float> x, Krsc<const float> w,
                                                    Conv2dEpilogue<float> epilogue,
                                                    Nhwc<const float> y,
                                                    const Conv2dOptions& options);
void conv2d_backward_data(Nhwc<const float> g, Krsc<const float> w, Span<const float> scale,
                          float* workspace, Nhwc<float> dx, const Conv2dOptions& options);
[[nodiscard]] std::int64_t conv2d_backward_data_workspace(Nhwc<const float> g, Krsc<const float> w,
                                                          Span<const float> scale,
                                                          Nhwc<const float> dx,
                                                          const Conv2dOptions& options);
void conv2d_backward_weights(Nhwc<const float> x, Nhwc<const float> g, float* workspace,
                             Krsc<float> dw, const Conv2dOptions& options);
[[nodiscard]] std::int64_t conv2d_backward_weights_workspace(Nhwc<const float> x,
                                                             Nhwc<const float> g,
                                                             Krsc<const float> dw,
                                                             const Conv2dOptions& options);

}  // namespace onednn

// Maps of Bfloat16 through the engines of float: operands are widened into the workspace, which is
// exact, and what is not float already is rounded once at the end.
namespace bf16 {

template <class Y>
void conv2d_forward(Nhwc<const Bfloat16> x, Krsc<const Bfloat16> w,
                    const Conv2dEpilogue<Bfloat16>& epilogue, Span<float> workspace, Nhwc<Y> y,
                    const Conv2dOptions& options);
void conv2d_backward_data(Nhwc<const Bfloat16> g, Krsc<const Bfloat16> w, Span<const float> scale,
                          Span<float> workspace, Nhwc<Bfloat16> dx, const Conv2dOptions& options);
void conv2d_backward_weights(Nhwc<const Bfloat16> x, Nhwc<const Bfloat16> g,
                             const Conv2dScaled<Bfloat16>& forward, Span<float> workspace,
                             Krsc<float> dw, Span<float> dscale, const Conv2dOptions& options);
[[nodiscard]] std::int64_t conv2d_forward_workspace(Nhwc<const Bfloat16> x, Krsc<const Bfloat16> w,
                                                    const Conv2dEpilogue<Bfloat16>& epilogue,
                                                    Nhwc<const Bfloat16> y,
                                                    const Conv2dOptions& options);
[[nodiscard]] std::int64_t conv2d_backward_data_workspace(Nhwc<const Bfloat16> g,
                                                          Krsc<const Bfloat16> w,
                                                          Nhwc<const Bfloat16> dx,
                                                          const Conv2dOptions& options);
[[nodiscard]] std::int64_t conv2d_backward_weights_workspace(Nhwc<const Bfloat16> x,
                                                             Nhwc<const Bfloat16> g,
                                                             Krsc<const float> dw,
                                                             const Conv2dOptions& options);

}  // namespace bf16
}  // namespace ktrain::cpu
