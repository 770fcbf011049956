// What conv2d.cu and conv2d_bf16.cu share: the passes of a convolution of T.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/device/conv2d_operands.cuh"
#include "kernels/device/dense_product.cuh"
#include "kernels/device/product.cuh"
#include "kernels/device/scaled_filters.cuh"

namespace ktrain::product {

template <class T>
ProductShape shape_for(ProductShape shape, const Conv2dOptions& options) {
  shape.precision = std::is_same_v<T, float> ? options.precision : Precision::kBf16;
  return shape;
}

// dw and dscale from the runs that stand in the workspace, or from the one that stands in dw.
template <class T>
void scale_gradients(CudaStream stream, const ProductPlan& plan, const float* runs,
                     const Conv2dScaled<T>& forward, Krsc<float> dw, Span<float> dscale,
                     const RowSumRuns& rows) {
  ScaledGradients<T, 1> one;
  one.runs[0] = runs;
  one.num_runs[0] = plan.splits;
  one.w[0] = forward.w.data;
  one.scale[0] = forward.scale.data;
  one.dw[0] = dw.data;
  one.dscale[0] = dscale.empty() ? nullptr : dscale.data;
  one.rows[0] = rows;
  one.run_size = dw.size();
  one.filters = static_cast<int>(dw.filters);
  one.taps = static_cast<int>(dw.rows * dw.cols * dw.channels);
  one.aligned = one.taps % 4 == 0 && aligned_for_quads(runs) && aligned_for_quads(dw.data) &&
                aligned_for_quads(forward.w.data);
  launch("conv2d_backward_weights", scale_gradients_kernel<T, 1>, dw.filters, kFilterThreads,
         stream, one);
}

// Where operands cannot be scaled on their way: takes the front of the workspace for filters that
// are, which w becomes, and the scale is empty.
template <class T>
void scale_filters(const char* who, CudaStream stream, const ProductPlan& plan, Krsc<const T>& w,
                   Span<const float>& scale, Span<float>& workspace) {
  if (plan.tier == ProductTier::kSimt || scale.empty()) return;
  const std::int64_t taken = scaled_filter_floats(plan, w.size() * std::int64_t{sizeof(T)});
  ScaledFilters<T, 1> one;
  one.w[0] = w.data;
  one.scale[0] = scale.data;
  one.scaled[0] = reinterpret_cast<T*>(workspace.data);
  one.filters = static_cast<int>(w.filters);
  one.taps = static_cast<int>(w.rows * w.cols * w.channels);
  one.aligned = one.taps % 4 == 0 && aligned_for_quads(w.data) && aligned_for_quads(one.scaled[0]);
  if (w.size() > 0) launch(who, scale_filters_kernel<T, 1>, w.filters, kFilterThreads, stream, one);
  w.data = one.scaled[0];
  scale = {};
  workspace = {workspace.data + taken, workspace.size - taken};
}

template <class T, class Y>
void forward(CudaStream stream, Nhwc<const T> x, Krsc<const T> w, const Conv2dEpilogue<T>& epilogue,
             Span<float> workspace, Nhwc<Y> y, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_forward";
  const Nhwc<const T> y_shape{nullptr, y.batch, y.height, y.width, y.channels};
  check_workspace(kWho, workspace.size,
                  cuda::conv2d_forward_workspace<T>(x, w, epilogue, y_shape, options));
  check_map(kWho, x);
  if (y.empty()) return;
  DenseOutput<T> output;
  output.write_to(y.data);
  output.cols = static_cast<int>(y.channels);
  output.scale = epilogue.scale.empty() ? nullptr : epilogue.scale.data;
  output.shift = epilogue.shift.empty() ? nullptr : epilogue.shift.data;
  output.residual = epilogue.residual.empty() ? nullptr : epilogue.residual.data;
  output.relu = options.relu;
  output.align();
  const ProductShape shape = shape_for<T>(forward_product(w, y), options);
  const ProductPlan plan = plan_product(gpu_architecture(), shape);
  if (is_plain(w, options)) {
    dense_product<T>(kWho, stream, plan, workspace,
                     {.m = shape.m,
                      .n = shape.n,
                      .k = shape.k,
                      .a = x.data,
                      .b = w.data,
                      .a_along_k = true,
                      .b_along_k = true,
                      .scale = nullptr,
                      .output = output});
    return;
  }
  const Product<WindowsAlongK<T>, DenseAlongK<T>, DenseOutput<T>> p = {
      {windows_of(x, y, w, options)},
      DenseAlongK<T>(w.data, shape.n, shape.k),
      output,
      static_cast<int>(shape.m),
      static_cast<int>(shape.n),
      static_cast<int>(shape.k)};
  multiply(kWho, stream, plan, workspace, p);
}

template <class T>
void backward_data(CudaStream stream, Nhwc<const T> g, Krsc<const T> w, Span<const float> scale,
                   Span<float> workspace, Nhwc<T> dx, const Conv2dOptions& options,
                   const GradientEnd<T>& end) {
  constexpr auto kWho = "conv2d_backward_data";
  check_end(kWho, end, dx.size());
  check_workspace(kWho, workspace.size,
                  cuda::conv2d_backward_data_workspace<T>(g, w, scale, dx, options));
  check_map(kWho, dx);
  if (dx.empty()) return;
  const ProductShape shape = shape_for<T>(data_product(w, dx, options), options);
  const ProductPlan plan = plan_product(gpu_architecture(), shape);
  scale_filters(kWho, stream, plan, w, scale, workspace);
  if (is_plain(w, options)) {
    DenseOutput<T> output;
    output.data = dx.data;
    output.cols = static_cast<int>(dx.channels);
    output.end = quad_end(end);
    output.align();
    dense_product<T>(kWho, stream, plan, workspace,
                     {.m = shape.m,
                      .n = shape.n,
                      .k = shape.k,
                      .a = g.data,
                      .b = w.data,
                      .a_along_k = true,
                      .b_along_k = false,
                      .scale = scale.empty() ? nullptr : scale.data,
                      .output = output});
    return;
  }
  const auto part = [&](std::int64_t row, std::int64_t col) {
    return data_product_of(g, w, scale, dx, quad_end(end), Phase(row, dx.height, w.rows, options),
                           Phase(col, dx.width, w.cols, options), options);
  };
  if (options.stride == 1) return multiply(kWho, stream, plan, workspace, part(0, 0));
  // Four products a launch: one launch for stride 2.
  const std::int64_t parts = options.stride * options.stride;
  for (std::int64_t first = 0; first < parts; first += 4) {
    ProductBatch<DataProduct<T>, 4> batch{};
    for (std::int64_t i = first; i < std::min(first + 4, parts); ++i)
      batch.products[i - first] = part(i / options.stride, i % options.stride);
    multiply_batch(kWho, stream, plan, workspace, batch);
  }
}

// dw = g^T x, whole or in runs, and what the rows of g^T sum to.
template <class T>
void multiply_weights(const char* who, CudaStream stream, const ProductPlan& plan,
                      const ProductShape& shape, Nhwc<const T> x, Nhwc<const T> g, Krsc<float> dw,
                      Span<float> workspace, const DenseOutput<T>& output, float* row_sums,
                      const Conv2dOptions& options) {
  if (is_plain(dw, options))
    return dense_product_runs<T>(who, stream, plan, workspace,
                                 {.m = shape.m,
                                  .n = shape.n,
                                  .k = shape.k,
                                  .a = g.data,
                                  .b = x.data,
                                  .a_along_k = false,
                                  .b_along_k = false,
                                  .scale = nullptr,
                                  .output = output,
                                  .row_sums = row_sums});
  ProductBatch<Product<DenseAlongSide<T>, WindowsAlongSide<T>, DenseOutput<T>>, 1> batch{};
  batch.products[0] = {DenseAlongSide<T>(g.data, shape.m, shape.k),
                       {windows_of(x, g, dw, options)},
                       output,
                       static_cast<int>(shape.m),
                       static_cast<int>(shape.n),
                       static_cast<int>(shape.k),
                       row_sums};
  multiply_batch(who, stream, plan, workspace, batch);
}

template <class T>
void backward_weights(CudaStream stream, Nhwc<const T> x, Nhwc<const T> g,
                      const Conv2dScaled<T>& forward, Span<float> workspace, Krsc<float> dw,
                      Span<float> dscale, Span<float> dshift, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_backward_weights";
  const bool is_scaled = !forward.scale.empty();
  check_gradient<T>(kWho, forward, dw, dscale, dshift);
  check_workspace(kWho, workspace.size,
                  cuda::conv2d_backward_weights_workspace<T>(x, g, dw, dshift, options));
  check_map(kWho, x);
  if (dw.filters == 0) return;
  const ProductShape shape = shape_for<T>(weights_product(g, dw), options);
  const ProductPlan plan = plan_product(gpu_architecture(), shape);
  DenseOutput<T> output;
  output.write_to(dw.data);
  output.cols = static_cast<int>(shape.n);
  output.align();
  const bool cut = plan.splits > 1;
  float* const sums = cut ? workspace.data + product_workspace(plan, shape) : dshift.data;
  const RowSumRuns rows{sums, cut && !dshift.empty() ? dshift.data : nullptr};
  multiply_weights(kWho, stream, plan, shape, x, g, dw, workspace, output,
                   dshift.empty() ? nullptr : sums, options);
  if (is_scaled)
    scale_gradients(stream, plan, cut ? workspace.data : dw.data, forward, dw, dscale, rows);
  else if (cut)
    finish_runs(kWho, stream, plan, workspace, static_cast<int>(shape.m), static_cast<int>(shape.n),
                output, rows);
}

}  // namespace ktrain::product

namespace ktrain::cuda {

template <class T, class Y>
void conv2d_forward(CudaStream stream, Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue,
                    Span<Wide<T>> workspace, Nhwc<Y> y, const Conv2dOptions& options) {
  product::forward(stream, x, w, epilogue, workspace, y, options);
}

template <class T>
void conv2d_backward_data(CudaStream stream, Nhwc<const T> g, Krsc<const T> w,
                          Span<const Wide<T>> scale, Span<Wide<T>> workspace, Nhwc<T> dx,
                          const Conv2dOptions& options, const GradientEnd<T>& end) {
  product::backward_data(stream, g, w, scale, workspace, dx, options, end);
}

template <class T>
void conv2d_backward_weights(CudaStream stream, Nhwc<const T> x, Nhwc<const T> g,
                             Conv2dScaled<T> forward, Span<Wide<T>> workspace, Krsc<Wide<T>> dw,
                             Span<Wide<T>> dscale, Span<Wide<T>> dshift,
                             const Conv2dOptions& options) {
  product::backward_weights(stream, x, g, forward, workspace, dw, dscale, dshift, options);
}

// conv2d.h for T; KT_CONV2D_FORWARD for outputs of Y.
#define KT_CONV2D_FORWARD(T, Y)                                                                   \
  template void conv2d_forward<T, Y>(CudaStream, Nhwc<const T>, Krsc<const T>, Conv2dEpilogue<T>, \
                                     Span<Wide<T>>, Nhwc<Y>, const Conv2dOptions&);
#define KT_CONV2D_BACKWARD(T)                                                                      \
  template void conv2d_backward_data(CudaStream, Nhwc<const T>, Krsc<const T>,                     \
                                     Span<const Wide<T>>, Span<Wide<T>>, Nhwc<T>,                  \
                                     const Conv2dOptions&, const GradientEnd<T>&);                 \
  template void conv2d_backward_weights(CudaStream, Nhwc<const T>, Nhwc<const T>, Conv2dScaled<T>, \
                                        Span<Wide<T>>, Krsc<Wide<T>>, Span<Wide<T>>,               \
                                        Span<Wide<T>>, const Conv2dOptions&);

}  // namespace ktrain::cuda
