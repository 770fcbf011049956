// Two-dimensional convolution (cross-correlation, square stride and padding) with an epilogue.
//   a[n,p,q,k] = sum_{r,s,c} x[n, p*stride-pad+r, q*stride-pad+s, c] * w[k,r,s,c], x zero outside
//   forward:   y = act(scale[k] * a + shift[k] + residual), act(v) = max(v, 0) with relu, else v
//   backward:  g = dy * (y > 0) with relu, else dy: see bias_relu.h;
//              dresidual = g, dshift[k] = sum_{n,p,q} g[n,p,q,k]
//              dx[n,h,w,c] = sum of scale[k] * w[k,r,s,c] * g[n,p,q,k] over all taps onto (h,w)
//              G[k,r,s,c]  = sum_{n,p,q} x[n, p*stride-pad+r, q*stride-pad+s, c] * g[n,p,q,k]
//              dw = scale[k] * G,  dscale[k] = <w[k], G[k]>: the convolution's own output a is
//              not needed, so nothing but x, y and w has to be kept for the backward pass.
//              dshift comes with dw, or by bias_relu.h: on the CPU the same bits, on CUDA sums in
//              float in an order of the shape and, of bf16 and tf32, of maps in pieces or not.
//              dx ends as GradientEnd says, with the bits of separate passes.
// Of scale, shift and residual each may be absent: an empty view. y's size is the output size
// below. Outputs alias nothing. Empty x, w or y: outputs of backward are zero, but for dshift where
// g has pixels, and forward without channels still runs its epilogue. Throws Error on shapes that
// do not fit or a workspace too small.
//
// Bfloat16: sums, parameters and gradients of parameters are in float, maps are rounded once, w *
// scale is rounded before the data gradient's product, and y may be in float, not rounded at all.
//
// Engines: `kReference` plain loops in T; in float also `kOneDnn` and, for 3x3 filters of stride 1
// whose channels are whole vectors, `kWinograd` (cpu/winograd.h: a quarter of the multiplications,
// five times the rounding error); `kAuto` the fastest for T and shape. Same engine, same shape,
// same thread count: same bits. Engines differ by rounding. CUDA has kAuto alone. Workspace:
// `*_workspace` takes the arguments of the call it serves (y for its shape) and reads no memory.
// Contents are scratch: nothing is kept from call to call. Thread-safe; calls of one shape take
// turns.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/gradient_end.h"
#include "kernels/precision.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

enum class ConvEngine : std::uint8_t { kAuto, kReference, kOneDnn, kWinograd };

struct Conv2dOptions {
  std::int64_t stride = 1;
  std::int64_t pad = 0;
  bool relu = false;  // read by forward only
  ConvEngine engine = ConvEngine::kAuto;
  Precision precision = Precision::kFloat;  // of float maps: kFloat or kTf32
};

// Maps of T; parameters and their gradients are Wide<T>.
template <class T>
struct Conv2dEpilogue {
  Span<const Wide<T>> scale;  // filters, or empty
  Span<const Wide<T>> shift;  // filters, or empty
  Nhwc<const T> residual;     // y's shape, or empty
};

// What backward_weights reads beside x and g: only when `scale` is not empty is w read and may
// dscale be asked for (not empty). dshift may be empty, with or without it.
template <class T>
struct Conv2dScaled {
  Krsc<const T> w;
  Span<const Wide<T>> scale;
};

// Rows or columns of the output: floor((size + 2 pad - taps) / stride) + 1, at least 0.
[[nodiscard]] std::int64_t conv2d_out_size(std::int64_t size, std::int64_t taps,
                                           const Conv2dOptions& options);

// Multiply-adds of one pass over y, counted as 2 operations each, whatever the engine does.
template <class T>
[[nodiscard]] double conv2d_flops(Nhwc<const T> y, Krsc<const T> w) {
  return 2.0 * static_cast<double>(y.pixels()) * static_cast<double>(w.size());
}

namespace cpu {

// T: float, double, Bfloat16. Y: T, or float.
template <class T, class Y = T>
void conv2d_forward(Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue,
                    Span<Wide<T>> workspace, Nhwc<Y> y, const Conv2dOptions& options);
// `scale` as in forward, or empty.
template <class T>
void conv2d_backward_data(Nhwc<const T> g, Krsc<const T> w, Span<const Wide<T>> scale,
                          Span<Wide<T>> workspace, Nhwc<T> dx, const Conv2dOptions& options,
                          const GradientEnd<T>& end = {});
template <class T>
void conv2d_backward_weights(Nhwc<const T> x, Nhwc<const T> g, Conv2dScaled<T> forward,
                             Span<Wide<T>> workspace, Krsc<Wide<T>> dw, Span<Wide<T>> dscale,
                             Span<Wide<T>> dshift, const Conv2dOptions& options);
template <class T>
[[nodiscard]] std::int64_t conv2d_forward_workspace(Nhwc<const T> x, Krsc<const T> w,
                                                    Conv2dEpilogue<T> epilogue, Nhwc<const T> y,
                                                    const Conv2dOptions& options);
template <class T>
[[nodiscard]] std::int64_t conv2d_backward_data_workspace(Nhwc<const T> g, Krsc<const T> w,
                                                          Span<const Wide<T>> scale,
                                                          Nhwc<const T> dx,
                                                          const Conv2dOptions& options);
template <class T>
[[nodiscard]] std::int64_t conv2d_backward_weights_workspace(Nhwc<const T> x, Nhwc<const T> g,
                                                             Krsc<const Wide<T>> dw,
                                                             Span<const Wide<T>> dshift,
                                                             const Conv2dOptions& options);

}  // namespace cpu

namespace cuda {

// T: float, Bfloat16. Y: T, or float.
template <class T, class Y = T>
void conv2d_forward(CudaStream stream, Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue,
                    Span<Wide<T>> workspace, Nhwc<Y> y, const Conv2dOptions& options);
template <class T>
void conv2d_backward_data(CudaStream stream, Nhwc<const T> g, Krsc<const T> w,
                          Span<const Wide<T>> scale, Span<Wide<T>> workspace, Nhwc<T> dx,
                          const Conv2dOptions& options, const GradientEnd<T>& end = {});
template <class T>
void conv2d_backward_weights(CudaStream stream, Nhwc<const T> x, Nhwc<const T> g,
                             Conv2dScaled<T> forward, Span<Wide<T>> workspace, Krsc<Wide<T>> dw,
                             Span<Wide<T>> dscale, Span<Wide<T>> dshift,
                             const Conv2dOptions& options);
// In every build.
template <class T>
[[nodiscard]] std::int64_t conv2d_forward_workspace(Nhwc<const T> x, Krsc<const T> w,
                                                    Conv2dEpilogue<T> epilogue, Nhwc<const T> y,
                                                    const Conv2dOptions& options);
template <class T>
[[nodiscard]] std::int64_t conv2d_backward_data_workspace(Nhwc<const T> g, Krsc<const T> w,
                                                          Span<const Wide<T>> scale,
                                                          Nhwc<const T> dx,
                                                          const Conv2dOptions& options);
template <class T>
[[nodiscard]] std::int64_t conv2d_backward_weights_workspace(Nhwc<const T> x, Nhwc<const T> g,
                                                             Krsc<const Wide<T>> dw,
                                                             Span<const Wide<T>> dshift,
                                                             const Conv2dOptions& options);

}  // namespace cuda
}  // namespace ktrain
