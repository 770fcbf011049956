#include "kernels/conv2d.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "kernels/bias_relu.h"
#include "kernels/check.h"
#include "kernels/cpu/conv2d_engines.h"
#include "kernels/cpu/winograd.h"
#include "kernels/parallel.h"
#include "kernels/product_plan.h"

namespace ktrain {

std::int64_t conv2d_out_size(std::int64_t size, std::int64_t taps, const Conv2dOptions& options) {
  const std::int64_t room = size + 2 * options.pad - taps;
  return room < 0 ? 0 : room / options.stride + 1;
}

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

template <class T, class Y>
void check_epilogue(const char* who, const Conv2dEpilogue<T>& epilogue, std::int64_t filters,
                    Nhwc<Y> y) {
  check_filter_vector(who, "scale", epilogue.scale, filters);
  check_filter_vector(who, "shift", epilogue.shift, filters);
  KT_CHECK(epilogue.residual.empty() || same_shape(epilogue.residual, y),
           "{}: residual is {}x{}x{}x{}, y {}x{}x{}x{}", who, epilogue.residual.batch,
           epilogue.residual.height, epilogue.residual.width, epilogue.residual.channels, y.batch,
           y.height, y.width, y.channels);
}

}  // namespace

namespace cpu {
namespace {

void check_workspace(const char* who, std::int64_t size, std::int64_t wanted) {
  KT_CHECK(size >= wanted, "{}: workspace has {} elements, wanted {}", who, size, wanted);
}

// The engine that runs a pass between x and y. Empty maps are the reference's: the others refuse
// them.
template <class T>
ConvEngine resolve(const char* who, Nhwc<const T> x, Krsc<const T> w, Nhwc<const T> y,
                   const Conv2dOptions& options) {
  if constexpr (std::is_same_v<T, float>) {
    const bool fits = winograd::fits(x, w, options);
    KT_CHECK(options.engine != ConvEngine::kWinograd || fits,
             "{}: engine winograd computes 3x3 filters of stride 1 and padding below 3 between "
             "multiples of {} channels, found {}x{} of stride {} and padding {}, {} to {} channels",
             who, winograd::channel_multiple(), w.rows, w.cols, options.stride, options.pad,
             w.channels, w.filters);
    if (x.empty() || y.empty()) return ConvEngine::kReference;
    if (options.engine != ConvEngine::kAuto) return options.engine;
    if (fits && winograd::pays(y)) return ConvEngine::kWinograd;
    return onednn::is_trusted() ? ConvEngine::kOneDnn : ConvEngine::kReference;
  } else {
    KT_CHECK(options.engine == ConvEngine::kAuto || options.engine == ConvEngine::kReference,
             "{}: engines onednn and winograd compute in float only", who);
    return ConvEngine::kReference;
  }
}

// <a, b> in a fixed order that vectors can follow, for sums of thousands of terms.
template <class T>
T dot(const T* a, const T* b, std::int64_t size) {
  constexpr std::int64_t kLanes = 32;
  std::array<T, kLanes> sums{};
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane)
      sums[static_cast<std::size_t>(lane)] += a[i + lane] * b[i + lane];
  double total = 0;
  for (; i < size; ++i) total += static_cast<double>(a[i] * b[i]);
  for (const T sum : sums) total += static_cast<double>(sum);
  return static_cast<T>(total);
}

// dw holds G: dscale[k] = <w[k], G[k]>, then dw = scale[k] * G.
template <class T>
void scale_gradients(Conv2dScaled<T> forward, Krsc<T> dw, Span<T> dscale) {
  const std::int64_t taps = dw.rows * dw.cols * dw.channels;
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(taps, 1));
  parallel_for(dw.filters, grain, [&](std::int64_t k) {
    T* gradient = dw.data + k * taps;
    if (!dscale.empty()) dscale[k] = dot(forward.w.data + k * taps, gradient, taps);
    for (std::int64_t i = 0; i < taps; ++i) gradient[i] *= forward.scale[k];
  });
}

}  // namespace

template <class T>
std::int64_t conv2d_forward_workspace(Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue,
                                      Nhwc<const T> y, const Conv2dOptions& options) {
  check_shapes("conv2d_forward", x, w, y, options);
  if constexpr (std::is_same_v<T, Bfloat16>)
    return bf16::conv2d_forward_workspace(x, w, epilogue, y, options);
  const ConvEngine engine = resolve("conv2d_forward", x, w, y, options);
  if constexpr (std::is_same_v<T, float>) {
    if (engine == ConvEngine::kWinograd) return winograd::conv2d_forward_workspace(x, y);
    if (engine == ConvEngine::kOneDnn)
      return onednn::conv2d_forward_workspace(x, w, epilogue, y, options);
  }
  return 0;
}

template <class T, class Y>
void conv2d_forward(Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue,
                    Span<Wide<T>> workspace, Nhwc<Y> y, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_forward";
  check_epilogue(kWho, epilogue, w.filters, y);
  const Nhwc<const T> shape{nullptr, y.batch, y.height, y.width, y.channels};
  check_workspace(kWho, workspace.size,
                  conv2d_forward_workspace<T>(x, w, epilogue, shape, options));
  if (y.empty()) return;
  if constexpr (std::is_same_v<T, Bfloat16>) {
    bf16::conv2d_forward(x, w, epilogue, workspace, y, options);
  } else {
    const ConvEngine engine = resolve<T>(kWho, x, w, shape, options);
    if constexpr (std::is_same_v<T, float>) {
      if (engine == ConvEngine::kWinograd)
        return winograd::conv2d_forward(x, w, epilogue, workspace.data, y, options);
      if (engine == ConvEngine::kOneDnn)
        return onednn::conv2d_forward(x, w, epilogue, workspace.data, y, options);
    }
    reference::conv2d_forward(x, w, epilogue, y, options);
  }
}

template <class T>
std::int64_t conv2d_backward_data_workspace(Nhwc<const T> g, Krsc<const T> w,
                                            Span<const Wide<T>> scale, Nhwc<const T> dx,
                                            const Conv2dOptions& options) {
  check_shapes("conv2d_backward_data", dx, w, g, options);
  if constexpr (std::is_same_v<T, Bfloat16>)
    return bf16::conv2d_backward_data_workspace(g, w, dx, options);
  const ConvEngine engine = resolve("conv2d_backward_data", dx, w, g, options);
  if constexpr (std::is_same_v<T, float>) {
    if (engine == ConvEngine::kWinograd) return winograd::conv2d_backward_data_workspace(g, dx);
    if (engine == ConvEngine::kOneDnn)
      return onednn::conv2d_backward_data_workspace(g, w, scale, dx, options);
  }
  return 0;
}

template <class T>
void run_backward_data(const char* who, Nhwc<const T> g, Krsc<const T> w, Span<const Wide<T>> scale,
                       Span<Wide<T>> workspace, Nhwc<T> dx, const Conv2dOptions& options) {
  if constexpr (std::is_same_v<T, Bfloat16>) {
    bf16::conv2d_backward_data(g, w, scale, workspace, dx, options);
  } else {
    const ConvEngine engine = resolve<T>(who, dx, w, g, options);
    if constexpr (std::is_same_v<T, float>) {
      if (engine == ConvEngine::kWinograd)
        return winograd::conv2d_backward_data(g, w, scale, workspace.data, dx, options);
      if (engine == ConvEngine::kOneDnn)
        return onednn::conv2d_backward_data(g, w, scale, workspace.data, dx, options);
    }
    reference::conv2d_backward_data(g, w, scale, dx, options);
  }
}

template <class T>
void conv2d_backward_data(Nhwc<const T> g, Krsc<const T> w, Span<const Wide<T>> scale,
                          Span<Wide<T>> workspace, Nhwc<T> dx, const Conv2dOptions& options,
                          const GradientEnd<T>& end) {
  constexpr auto kWho = "conv2d_backward_data";
  check_filter_vector(kWho, "scale", scale, w.filters);
  check_end(kWho, end, dx.size());
  check_workspace(kWho, workspace.size,
                  conv2d_backward_data_workspace<T>(g, w, scale, dx, options));
  if (dx.empty()) return;
  run_backward_data(kWho, g, w, scale, workspace, dx, options);
  end_gradient(end, Span<T>{dx.data, dx.size()});
}

template <class T>
std::int64_t weight_gradient_workspace(Nhwc<const T> x, Nhwc<const T> g, Krsc<const Wide<T>> dw,
                                       const Conv2dOptions& options) {
  if constexpr (std::is_same_v<T, Bfloat16>) {
    return bf16::conv2d_backward_weights_workspace(x, g, dw, options);
  } else {
    const ConvEngine engine = resolve("conv2d_backward_weights", x, dw, g, options);
    if constexpr (std::is_same_v<T, float>) {
      if (engine == ConvEngine::kWinograd) return winograd::conv2d_backward_weights_workspace(x, g);
      if (engine == ConvEngine::kOneDnn)
        return onednn::conv2d_backward_weights_workspace(x, g, dw, options);
    }
    return 0;
  }
}

// dw and dshift are computed one after the other and share it.
template <class T>
std::int64_t conv2d_backward_weights_workspace(Nhwc<const T> x, Nhwc<const T> g,
                                               Krsc<const Wide<T>> dw, Span<const Wide<T>> dshift,
                                               const Conv2dOptions& options) {
  check_shapes("conv2d_backward_weights", x, dw, g, options);
  return std::max(weight_gradient_workspace<T>(x, g, dw, options),
                  dshift.empty() ? 0 : bias_relu_backward_workspace(g.pixels(), g.channels));
}

template <class T>
void conv2d_backward_weights(Nhwc<const T> x, Nhwc<const T> g, Conv2dScaled<T> forward,
                             Span<Wide<T>> workspace, Krsc<Wide<T>> dw, Span<Wide<T>> dscale,
                             Span<Wide<T>> dshift, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_backward_weights";
  const bool scaled = !forward.scale.empty();
  check_filter_vector(kWho, "scale", forward.scale, dw.filters);
  check_filter_vector(kWho, "dscale", dscale, dw.filters);
  check_filter_vector(kWho, "dshift", dshift, dw.filters);
  KT_CHECK(scaled || dscale.empty(), "{}: dscale is asked for without a scale", kWho);
  KT_CHECK(!scaled || forward.w.size() == dw.size(), "{}: w has {} elements, dw {}", kWho,
           forward.w.size(), dw.size());
  check_workspace(kWho, workspace.size,
                  conv2d_backward_weights_workspace<T>(x, g, dw, dshift, options));
  if constexpr (std::is_same_v<T, Bfloat16>) {
    bf16::conv2d_backward_weights(x, g, forward, workspace, dw, dscale, options);
  } else {
    const ConvEngine engine = resolve<T>(kWho, x, dw, g, options);
    if (engine == ConvEngine::kReference) reference::conv2d_backward_weights(x, g, dw, options);
    if constexpr (std::is_same_v<T, float>) {
      if (engine == ConvEngine::kWinograd)
        winograd::conv2d_backward_weights(x, g, workspace.data, dw, options);
      if (engine == ConvEngine::kOneDnn)
        onednn::conv2d_backward_weights(x, g, workspace.data, dw, options);
    }
    if (scaled) scale_gradients(forward, dw, dscale);
  }
  if (!dshift.empty())
    bias_relu_backward<T>({}, {g.data, g.pixels(), g.channels}, workspace, {}, dshift);
}

#define KT_INSTANTIATE_FORWARD(T, Y)                                                  \
  template void conv2d_forward<T, Y>(Nhwc<const T>, Krsc<const T>, Conv2dEpilogue<T>, \
                                     Span<Wide<T>>, Nhwc<Y>, const Conv2dOptions&);
#define KT_INSTANTIATE(T)                                                                  \
  template void conv2d_backward_data<T>(Nhwc<const T>, Krsc<const T>, Span<const Wide<T>>, \
                                        Span<Wide<T>>, Nhwc<T>, const Conv2dOptions&,      \
                                        const GradientEnd<T>&);                            \
  template void conv2d_backward_weights<T>(Nhwc<const T>, Nhwc<const T>, Conv2dScaled<T>,  \
                                           Span<Wide<T>>, Krsc<Wide<T>>, Span<Wide<T>>,    \
                                           Span<Wide<T>>, const Conv2dOptions&);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
KT_INSTANTIATE(Bfloat16)
KT_INSTANTIATE_FORWARD(float, float)
KT_INSTANTIATE_FORWARD(double, double)
KT_INSTANTIATE_FORWARD(Bfloat16, Bfloat16)
KT_INSTANTIATE_FORWARD(Bfloat16, float)
#undef KT_INSTANTIATE_FORWARD
#undef KT_INSTANTIATE

#define KT_WORKSPACES(T)                                                                       \
  template std::int64_t conv2d_forward_workspace<T>(                                           \
      Nhwc<const T>, Krsc<const T>, Conv2dEpilogue<T>, Nhwc<const T>, const Conv2dOptions&);   \
  template std::int64_t conv2d_backward_data_workspace<T>(                                     \
      Nhwc<const T>, Krsc<const T>, Span<const Wide<T>>, Nhwc<const T>, const Conv2dOptions&); \
  template std::int64_t conv2d_backward_weights_workspace<T>(                                  \
      Nhwc<const T>, Nhwc<const T>, Krsc<const Wide<T>>, Span<const Wide<T>>,                  \
      const Conv2dOptions&);
KT_WORKSPACES(float)
KT_WORKSPACES(double)
KT_WORKSPACES(Bfloat16)

}  // namespace cpu

namespace cuda {
namespace {

template <class T>
ProductPlan plan_of(const char* who, ProductShape& shape, const Conv2dOptions& options) {
  KT_CHECK(options.engine == ConvEngine::kAuto, "{}: on CUDA there is the engine auto alone", who);
  KT_CHECK(options.precision != Precision::kBf16, "{}: maps of float in bf16", who);
  shape.precision = std::is_same_v<T, Bfloat16> ? Precision::kBf16 : options.precision;
  return plan_product(gpu_architecture(), shape);
}

}  // namespace

template <class T>
std::int64_t conv2d_forward_workspace(Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue,
                                      Nhwc<const T> y, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_forward";
  check_shapes(kWho, x, w, y, options);
  check_epilogue(kWho, epilogue, w.filters, y);
  ProductShape shape = forward_product(w, y);
  const ProductPlan plan = plan_of<T>(kWho, shape, options);
  return product_workspace(plan, shape);
}

template <class T>
std::int64_t conv2d_backward_data_workspace(Nhwc<const T> g, Krsc<const T> w,
                                            Span<const Wide<T>> scale, Nhwc<const T> dx,
                                            const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_backward_data";
  check_shapes(kWho, dx, w, g, options);
  check_filter_vector(kWho, "scale", scale, w.filters);
  ProductShape shape = data_product(w, dx, options);
  const ProductPlan plan = plan_of<T>(kWho, shape, options);
  return product_workspace(plan, shape) +
         (scale.empty() ? 0 : scaled_filter_floats(plan, w.size() * std::int64_t{sizeof(T)}));
}

template <class T>
std::int64_t conv2d_backward_weights_workspace(Nhwc<const T> x, Nhwc<const T> g,
                                               Krsc<const Wide<T>> dw, Span<const Wide<T>> dshift,
                                               const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_backward_weights";
  check_shapes(kWho, x, dw, g, options);
  ProductShape shape = weights_product(g, dw);
  const ProductPlan plan = plan_of<T>(kWho, shape, options);
  return product_workspace(plan, shape) + (dshift.empty() ? 0 : row_sums_workspace(plan, shape));
}

KT_WORKSPACES(float)
KT_WORKSPACES(Bfloat16)
#undef KT_WORKSPACES

}  // namespace cuda
}  // namespace ktrain
