// Convolutions as products (device/product_simt.cuh, chosen by product_plan.h). The matrices of
// taps are never made: operands look pixels up as they load (device/product_windows.cuh). One tap
// of stride 1 without padding is a plain product.
//
//   forward   y[pixel, k] = sum_t x[pixel's window, t] w[k, t], then the epilogue in registers
//   data      dx[pixel, c] = sum over (tap, k). With a stride only every stride-th tap by axis
//             reaches a pixel, which ones depends on the pixel's place: the pixels are dealt out to
//             stride^2 products with their own taps, all in one launch. Nothing is multiplied by a
//             zero that a stride put there, and every pixel is written once.
//   weights   dw[k, t] = sum_pixel g[pixel, k] x[pixel's window, t]: few tiles and a long sum, so
//             it is cut into runs of pixels. One more kernel adds the runs in their order and, with
//             a scale, takes dscale = <w, G> and dw = scale G from them on the way.
#include "kernels/conv2d.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/device/dense_product.cuh"
#include "kernels/device/product.cuh"
#include "kernels/device/product_windows.cuh"

namespace ktrain::cuda {
namespace {

using namespace product;

constexpr int kThreads = 256;

// A divisor that may be 0 where nothing is divided.
FastDivide divide_by(std::int64_t divisor) {
  return FastDivide(static_cast<int>(std::max<std::int64_t>(divisor, 1)));
}

bool is_plain(const Krsc<const float>& w, const Conv2dOptions& options) {
  return w.rows == 1 && w.cols == 1 && options.stride == 1 && options.pad == 0;
}

void check_map(const char* who, Nhwc<const float> map) {
  KT_CHECK(map.height < (1 << 28) && map.width < (1 << 28), "{}: a map of {}x{} pixels", who,
           map.height, map.width);
}

// x as the windows of y's pixels.
Windows windows_of(Nhwc<const float> x, Nhwc<const float> y, Krsc<const float> w,
                   const Conv2dOptions& options) {
  Windows v;
  v.data = x.data;
  v.height = static_cast<int>(x.height);
  v.width = static_cast<int>(x.width);
  v.channels = static_cast<int>(x.channels);
  v.pixels = static_cast<int>(y.pixels());
  v.stride = static_cast<int>(options.stride);
  v.row = v.col = -static_cast<int>(options.pad);
  v.tap_cols = static_cast<int>(w.cols);
  v.depth = static_cast<int>(w.rows * w.cols * w.channels);
  v.out_cols = static_cast<int>(y.width);
  v.out_pixels = static_cast<int>(y.height * y.width);
  v.by_channels = divide_by(x.channels);
  v.by_tap_cols = divide_by(w.cols);
  v.by_out_cols = divide_by(y.width);
  v.by_out_pixels = divide_by(y.height * y.width);
  v.aligned = x.channels % 4 == 0 && aligned_for_quads(x.data);
  return v;
}

void check_filter_vector(const char* who, const char* what, std::int64_t size,
                         std::int64_t filters) {
  KT_CHECK(size == 0 || size == filters, "{}: {} has {} elements, wanted {} or none", who, what,
           size, filters);
}

void check_workspace(const char* who, std::int64_t size, std::int64_t wanted) {
  KT_CHECK(size >= wanted, "{}: workspace has {} elements, wanted {}", who, size, wanted);
}

// One axis of the pixels that one product of the data gradient computes: `count` of them, from
// `first` on, `stride` apart. Taps first_tap + i * stride reach pixel first + j * stride, from
// output `out` + j - i.
struct Phase {
  std::int64_t first, count, first_tap, taps, out;

  Phase(std::int64_t first_, std::int64_t size, std::int64_t all_taps, const Conv2dOptions& o)
      : first(first_), first_tap((first_ + o.pad) % o.stride), out((first_ + o.pad) / o.stride) {
    const auto steps = [&](std::int64_t from, std::int64_t end) {
      return from < end ? (end - from + o.stride - 1) / o.stride : 0;
    };
    count = steps(first, size);
    taps = steps(first_tap, all_taps);
  }
};

using DataProduct = Product<WindowsAlongK, FilterTaps, PixelOutput>;

// g in windows that reach back from a pixel of dx.
Windows back_windows(Nhwc<const float> g, const Phase& rows, const Phase& cols,
                     std::int64_t batch) {
  Windows v;
  v.data = g.data;
  v.height = static_cast<int>(g.height);
  v.width = static_cast<int>(g.width);
  v.channels = static_cast<int>(g.channels);
  v.pixels = static_cast<int>(batch * rows.count * cols.count);
  v.row = static_cast<int>(rows.out);
  v.col = static_cast<int>(cols.out);
  v.direction = -1;
  v.tap_cols = static_cast<int>(cols.taps);
  v.depth = static_cast<int>(rows.taps * cols.taps * g.channels);
  v.out_cols = static_cast<int>(cols.count);
  v.out_pixels = static_cast<int>(rows.count * cols.count);
  v.by_channels = divide_by(g.channels);
  v.by_tap_cols = divide_by(cols.taps);
  v.by_out_cols = divide_by(cols.count);
  v.by_out_pixels = divide_by(rows.count * cols.count);
  v.aligned = g.channels % 4 == 0 && aligned_for_quads(g.data);
  return v;
}

DataProduct data_product_of(Nhwc<const float> g, Krsc<const float> w, Span<const float> scale,
                            Nhwc<float> dx, const Phase& rows, const Phase& cols,
                            const Conv2dOptions& options) {
  DataProduct p;
  p.a.windows = back_windows(g, rows, cols, dx.batch);
  p.m = p.a.windows.pixels;
  p.n = static_cast<int>(dx.channels);
  p.k = p.a.windows.depth;
  p.b.data = w.data;
  p.b.scale = scale.empty() ? nullptr : scale.data;
  p.b.channels = p.n;
  p.b.filters = static_cast<int>(w.filters);
  p.b.depth = p.k;
  p.b.cols = static_cast<int>(w.cols);
  p.b.stride = static_cast<int>(options.stride);
  p.b.row = static_cast<int>(rows.first_tap);
  p.b.col = static_cast<int>(cols.first_tap);
  p.b.tap_cols = p.a.windows.tap_cols;
  p.b.filter_size = w.rows * w.cols * w.channels;
  p.b.by_filters = divide_by(w.filters);
  p.b.by_tap_cols = p.a.windows.by_tap_cols;
  p.b.aligned = w.channels % 4 == 0 && aligned_for_quads(w.data);
  p.output.data = dx.data;
  p.output.height = static_cast<int>(dx.height);
  p.output.width = static_cast<int>(dx.width);
  p.output.channels = p.n;
  p.output.stride = p.b.stride;
  p.output.row = static_cast<int>(rows.first);
  p.output.col = static_cast<int>(cols.first);
  p.output.cols = p.a.windows.out_cols;
  p.output.pixels = p.a.windows.out_pixels;
  p.output.by_cols = p.a.windows.by_out_cols;
  p.output.by_pixels = p.a.windows.by_out_pixels;
  p.output.aligned = dx.channels % 4 == 0 && aligned_for_quads(dx.data);
  return p;
}

// Sums the runs of a filter's gradients, then dscale[k] = <w[k], G[k]>, dw[k] = scale[k] G[k]. A
// block per filter. With one run it stands in dw itself.
__global__ void __launch_bounds__(kThreads)
    scale_gradients_kernel(const float* runs, int num_runs, std::int64_t run_size, int taps,
                           bool aligned, const float* w, const float* scale, float* dw,
                           float* dscale) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct DotScratch>();
  const std::int64_t row = std::int64_t{blockIdx.x} * taps;
  const float factor = scale[blockIdx.x];
  double dot = 0;
  for (int i = static_cast<int>(threadIdx.x) * 4; i < taps; i += kThreads * 4) {
    float4 sum = no_quad();
#pragma unroll 4
    for (int r = 0; r < num_runs; ++r)
      sum = sum_of(sum, load_quad(runs + r * run_size + row + i, aligned, taps - i));
    if (dscale) {
      const float4 q = load_quad(w + row + i, aligned, taps - i);
      dot += static_cast<double>(q.x) * static_cast<double>(sum.x) +
             static_cast<double>(q.y) * static_cast<double>(sum.y);
      dot += static_cast<double>(q.z) * static_cast<double>(sum.z) +
             static_cast<double>(q.w) * static_cast<double>(sum.w);
    }
    store_quad(dw + row + i, scaled(sum, factor), aligned, taps - i);
  }
  if (!dscale) return;
  dot = block_reduce<kThreads>(dot, Add{}, 0.0, scratch);
  if (threadIdx.x == 0) dscale[blockIdx.x] = static_cast<float>(dot);
}

void scale_gradients(CudaStream stream, const ProductPlan& plan, const float* runs,
                     const Conv2dScaled<float>& forward, Krsc<float> dw, Span<float> dscale) {
  const std::int64_t taps = dw.rows * dw.cols * dw.channels;
  const bool aligned = taps % 4 == 0 && aligned_for_quads(runs) && aligned_for_quads(dw.data) &&
                       aligned_for_quads(forward.w.data);
  launch("conv2d_backward_weights", scale_gradients_kernel, dw.filters, kThreads, stream, runs,
         plan.splits, dw.size(), static_cast<int>(taps), aligned, forward.w.data,
         forward.scale.data, dw.data, dscale.empty() ? nullptr : dscale.data);
}

}  // namespace

void conv2d_forward(CudaStream stream, Nhwc<const float> x, Krsc<const float> w,
                    Conv2dEpilogue<float> epilogue, Span<float> workspace, Nhwc<float> y,
                    const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_forward";
  check_workspace(kWho, workspace.size, conv2d_forward_workspace(x, w, epilogue, y, options));
  check_map(kWho, x);
  if (y.empty()) return;
  DenseOutput output;
  output.data = y.data;
  output.cols = static_cast<int>(y.channels);
  output.scale = epilogue.scale.empty() ? nullptr : epilogue.scale.data;
  output.shift = epilogue.shift.empty() ? nullptr : epilogue.shift.data;
  output.residual = epilogue.residual.empty() ? nullptr : epilogue.residual.data;
  output.relu = options.relu;
  output.align();
  const ProductShape shape = forward_product(w, y);
  const ProductPlan plan = plan_product(gpu_architecture(), shape);
  if (is_plain(w, options)) {
    dense_product(kWho, stream, plan, workspace,
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
  const Product<WindowsAlongK, DenseAlongK, DenseOutput> p = {{windows_of(x, y, w, options)},
                                                              DenseAlongK(w.data, shape.n, shape.k),
                                                              output,
                                                              static_cast<int>(shape.m),
                                                              static_cast<int>(shape.n),
                                                              static_cast<int>(shape.k)};
  multiply(kWho, stream, plan, workspace, p);
}

void conv2d_backward_data(CudaStream stream, Nhwc<const float> g, Krsc<const float> w,
                          Span<const float> scale, Span<float> workspace, Nhwc<float> dx,
                          const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_backward_data";
  check_workspace(kWho, workspace.size, conv2d_backward_data_workspace(g, w, scale, dx, options));
  check_map(kWho, dx);
  if (dx.empty()) return;
  const ProductShape shape = data_product(w, dx, options);
  const ProductPlan plan = plan_product(gpu_architecture(), shape);
  if (is_plain(w, options)) {
    DenseOutput output;
    output.data = dx.data;
    output.cols = static_cast<int>(dx.channels);
    output.align();
    dense_product(kWho, stream, plan, workspace,
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
    return data_product_of(g, w, scale, dx, Phase(row, dx.height, w.rows, options),
                           Phase(col, dx.width, w.cols, options), options);
  };
  if (options.stride == 1) return multiply(kWho, stream, plan, workspace, part(0, 0));
  // Four products a launch: one launch for stride 2.
  const std::int64_t parts = options.stride * options.stride;
  for (std::int64_t first = 0; first < parts; first += 4) {
    ProductBatch<DataProduct, 4> batch{};
    for (std::int64_t i = first; i < std::min(first + 4, parts); ++i)
      batch.products[i - first] = part(i / options.stride, i % options.stride);
    multiply_batch(kWho, stream, plan, workspace, batch);
  }
}

void conv2d_backward_weights(CudaStream stream, Nhwc<const float> x, Nhwc<const float> g,
                             Conv2dScaled<float> forward, Span<float> workspace, Krsc<float> dw,
                             Span<float> dscale, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_backward_weights";
  const bool is_scaled = !forward.scale.empty();
  check_filter_vector(kWho, "scale", forward.scale.size, dw.filters);
  check_filter_vector(kWho, "dscale", dscale.size, dw.filters);
  KT_CHECK(is_scaled || dscale.empty(), "{}: dscale is asked for without a scale", kWho);
  KT_CHECK(!is_scaled || forward.w.size() == dw.size(), "{}: w has {} elements, dw {}", kWho,
           forward.w.size(), dw.size());
  check_workspace(kWho, workspace.size, conv2d_backward_weights_workspace(x, g, dw, options));
  check_map(kWho, x);
  if (dw.filters == 0) return;
  const ProductShape shape = weights_product(g, dw);
  const ProductPlan plan = plan_product(gpu_architecture(), shape);
  DenseOutput output;
  output.data = dw.data;
  output.cols = static_cast<int>(shape.n);
  output.align();
  if (is_plain(dw, options)) {
    dense_product_runs(kWho, stream, plan, workspace,
                       {.m = shape.m,
                        .n = shape.n,
                        .k = shape.k,
                        .a = g.data,
                        .b = x.data,
                        .a_along_k = false,
                        .b_along_k = false,
                        .scale = nullptr,
                        .output = output});
  } else {
    ProductBatch<Product<DenseAlongSide, WindowsAlongSide, DenseOutput>, 1> batch{};
    batch.products[0] = {DenseAlongSide(g.data, shape.m, shape.k),
                         {windows_of(x, g, dw, options)},
                         output,
                         static_cast<int>(shape.m),
                         static_cast<int>(shape.n),
                         static_cast<int>(shape.k)};
    multiply_batch(kWho, stream, plan, workspace, batch);
  }
  const float* const runs = plan.splits > 1 ? workspace.data : dw.data;
  if (is_scaled)
    scale_gradients(stream, plan, runs, forward, dw, dscale);
  else if (plan.splits > 1)
    finish_runs(kWho, stream, plan, workspace, static_cast<int>(shape.m), static_cast<int>(shape.n),
                output);
}

}  // namespace ktrain::cuda
