#include "kernels/conv2d.h"

#include <algorithm>
#include <type_traits>

#include "kernels/check.h"
#include "kernels/cpu/conv2d_engines.h"
#include "kernels/parallel.h"

namespace ktrain {

std::int64_t conv2d_out_size(std::int64_t size, std::int64_t taps, const Conv2dOptions& options) {
  const std::int64_t room = size + 2 * options.pad - taps;
  return room < 0 ? 0 : room / options.stride + 1;
}

namespace cpu {
namespace {

template <class A, class B, class W>
void check_shapes(const char* who, Nhwc<A> x, Krsc<W> w, Nhwc<B> y, const Conv2dOptions& options) {
  KT_CHECK(options.stride >= 1 && options.pad >= 0,
           "{}: stride is {} and pad {}, wanted at least 1 and 0", who, options.stride,
           options.pad);
  KT_CHECK(w.rows >= 1 && w.cols >= 1, "{}: filters are {}x{}, wanted at least 1x1", who, w.rows,
           w.cols);
  KT_CHECK(x.channels == w.channels, "{}: x has {} channels, the filters {}", who, x.channels,
           w.channels);
  const std::int64_t height = conv2d_out_size(x.height, w.rows, options);
  const std::int64_t width = conv2d_out_size(x.width, w.cols, options);
  KT_CHECK(y.batch == x.batch && y.height == height && y.width == width && y.channels == w.filters,
           "{}: y is {}x{}x{}x{}, wanted {}x{}x{}x{}", who, y.batch, y.height, y.width, y.channels,
           x.batch, height, width, w.filters);
}

template <class T>
void check_filter_vector(const char* who, const char* what, Span<T> vector, std::int64_t filters) {
  KT_CHECK(vector.empty() || vector.size == filters, "{}: {} has {} elements, wanted {} or none",
           who, what, vector.size, filters);
}

void check_workspace(const char* who, std::int64_t size, std::int64_t wanted) {
  KT_CHECK(size >= wanted, "{}: workspace has {} elements, wanted {}", who, size, wanted);
}

// The engine that runs a pass over x and y. Empty maps are the reference's: oneDNN refuses them.
template <class T, class A, class B>
ConvEngine resolve(const char* who, Nhwc<A> x, Nhwc<B> y, const Conv2dOptions& options) {
  if constexpr (!std::is_same_v<T, float>) {
    KT_CHECK(options.engine != ConvEngine::kOneDnn, "{}: engine onednn computes in float only",
             who);
    return ConvEngine::kReference;
  }
  if (options.engine == ConvEngine::kReference || x.empty() || y.empty())
    return ConvEngine::kReference;
  return ConvEngine::kOneDnn;
}

// dw holds G: dscale[k] = <w[k], G[k]>, then dw = scale[k] * G.
template <class T>
void scale_gradients(Conv2dScaled<T> forward, Krsc<T> dw, Span<T> dscale) {
  const std::int64_t taps = dw.rows * dw.cols * dw.channels;
  parallel_for(dw.filters, std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(taps, 1)),
               [&](std::int64_t k) {
                 T* gradient = dw.data + k * taps;
                 const T* filter = forward.w.data + k * taps;
                 // Thousands of terms: the sum is kept in double.
                 double sum = 0;
                 for (std::int64_t i = 0; i < taps; ++i) {
                   if (!dscale.empty()) sum += static_cast<double>(filter[i] * gradient[i]);
                   gradient[i] *= forward.scale[k];
                 }
                 if (!dscale.empty()) dscale[k] = static_cast<T>(sum);
               });
}

}  // namespace

template <class T>
std::int64_t conv2d_forward_workspace(Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue,
                                      Nhwc<const T> y, const Conv2dOptions& options) {
  check_shapes("conv2d_forward", x, w, y, options);
  const ConvEngine engine = resolve<T>("conv2d_forward", x, y, options);
  if constexpr (std::is_same_v<T, float>)
    if (engine == ConvEngine::kOneDnn)
      return onednn::conv2d_forward_workspace(x, w, epilogue, y, options);
  return 0;
}

template <class T>
void conv2d_forward(Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue, Span<T> workspace,
                    Nhwc<T> y, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_forward";
  check_filter_vector(kWho, "scale", epilogue.scale, w.filters);
  check_filter_vector(kWho, "shift", epilogue.shift, w.filters);
  KT_CHECK(epilogue.residual.empty() || same_shape(epilogue.residual, y),
           "{}: residual is {}x{}x{}x{}, y {}x{}x{}x{}", kWho, epilogue.residual.batch,
           epilogue.residual.height, epilogue.residual.width, epilogue.residual.channels, y.batch,
           y.height, y.width, y.channels);
  check_workspace(kWho, workspace.size, conv2d_forward_workspace<T>(x, w, epilogue, y, options));
  if (y.empty()) return;
  if constexpr (std::is_same_v<T, float>)
    if (resolve<T>(kWho, x, y, options) == ConvEngine::kOneDnn)
      return onednn::conv2d_forward(x, w, epilogue, workspace.data, y, options);
  reference::conv2d_forward(x, w, epilogue, y, options);
}

template <class T>
std::int64_t conv2d_backward_data_workspace(Nhwc<const T> g, Krsc<const T> w, Span<const T> scale,
                                            Nhwc<const T> dx, const Conv2dOptions& options) {
  check_shapes("conv2d_backward_data", dx, w, g, options);
  const ConvEngine engine = resolve<T>("conv2d_backward_data", dx, g, options);
  if constexpr (std::is_same_v<T, float>)
    if (engine == ConvEngine::kOneDnn)
      return onednn::conv2d_backward_data_workspace(g, w, scale, dx, options);
  return 0;
}

template <class T>
void conv2d_backward_data(Nhwc<const T> g, Krsc<const T> w, Span<const T> scale, Span<T> workspace,
                          Nhwc<T> dx, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_backward_data";
  check_filter_vector(kWho, "scale", scale, w.filters);
  check_workspace(kWho, workspace.size,
                  conv2d_backward_data_workspace<T>(g, w, scale, dx, options));
  if (dx.empty()) return;
  if constexpr (std::is_same_v<T, float>)
    if (resolve<T>(kWho, dx, g, options) == ConvEngine::kOneDnn)
      return onednn::conv2d_backward_data(g, w, scale, workspace.data, dx, options);
  reference::conv2d_backward_data(g, w, scale, dx, options);
}

template <class T>
std::int64_t conv2d_backward_weights_workspace(Nhwc<const T> x, Nhwc<const T> g, Krsc<const T> dw,
                                               const Conv2dOptions& options) {
  check_shapes("conv2d_backward_weights", x, dw, g, options);
  const ConvEngine engine = resolve<T>("conv2d_backward_weights", x, g, options);
  if constexpr (std::is_same_v<T, float>)
    if (engine == ConvEngine::kOneDnn)
      return onednn::conv2d_backward_weights_workspace(x, g, dw, options);
  return 0;
}

template <class T>
void conv2d_backward_weights(Nhwc<const T> x, Nhwc<const T> g, Conv2dScaled<T> forward,
                             Span<T> workspace, Krsc<T> dw, Span<T> dscale,
                             const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_backward_weights";
  const bool scaled = !forward.scale.empty();
  check_filter_vector(kWho, "scale", forward.scale, dw.filters);
  check_filter_vector(kWho, "dscale", dscale, dw.filters);
  KT_CHECK(scaled || dscale.empty(), "{}: dscale is asked for without a scale", kWho);
  KT_CHECK(!scaled || forward.w.size() == dw.size(), "{}: w has {} elements, dw {}", kWho,
           forward.w.size(), dw.size());
  check_workspace(kWho, workspace.size, conv2d_backward_weights_workspace<T>(x, g, dw, options));
  const ConvEngine engine = resolve<T>(kWho, x, g, options);
  if constexpr (std::is_same_v<T, float>)
    if (engine == ConvEngine::kOneDnn)
      onednn::conv2d_backward_weights(x, g, workspace.data, dw, options);
  if (engine == ConvEngine::kReference) reference::conv2d_backward_weights(x, g, dw, options);
  if (scaled) scale_gradients(forward, dw, dscale);
}

#define KT_INSTANTIATE(T)                                                                          \
  template std::int64_t conv2d_forward_workspace<T>(                                               \
      Nhwc<const T>, Krsc<const T>, Conv2dEpilogue<T>, Nhwc<const T>, const Conv2dOptions&);       \
  template void conv2d_forward<T>(Nhwc<const T>, Krsc<const T>, Conv2dEpilogue<T>, Span<T>,        \
                                  Nhwc<T>, const Conv2dOptions&);                                  \
  template std::int64_t conv2d_backward_data_workspace<T>(                                         \
      Nhwc<const T>, Krsc<const T>, Span<const T>, Nhwc<const T>, const Conv2dOptions&);           \
  template void conv2d_backward_data<T>(Nhwc<const T>, Krsc<const T>, Span<const T>, Span<T>,      \
                                        Nhwc<T>, const Conv2dOptions&);                            \
  template std::int64_t conv2d_backward_weights_workspace<T>(Nhwc<const T>, Nhwc<const T>,         \
                                                             Krsc<const T>, const Conv2dOptions&); \
  template void conv2d_backward_weights<T>(Nhwc<const T>, Nhwc<const T>, Conv2dScaled<T>, Span<T>, \
                                           Krsc<T>, Span<T>, const Conv2dOptions&);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace cpu
}  // namespace ktrain
