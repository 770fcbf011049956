// Convolutions of T as products: who is which operand. For conv2d_products.cuh.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/check.h"
#include "kernels/conv2d.h"
#include "kernels/device/product_batch.cuh"
#include "kernels/device/product_windows.cuh"

namespace ktrain::product {

// A divisor that may be 0 where nothing is divided.
inline FastDivide divide_by(std::int64_t divisor) {
  return FastDivide(static_cast<int>(std::max<std::int64_t>(divisor, 1)));
}

template <class W>
bool is_plain(const Krsc<W>& w, const Conv2dOptions& options) {
  return w.rows == 1 && w.cols == 1 && options.stride == 1 && options.pad == 0;
}

template <class T>
void check_map(const char* who, Nhwc<T> map) {
  KT_CHECK(map.height < (1 << 28) && map.width < (1 << 28), "{}: a map of {}x{} pixels", who,
           map.height, map.width);
}

// x as the windows of y's pixels.
template <class T, class Y, class W>
Windows<T> windows_of(Nhwc<const T> x, Nhwc<Y> y, Krsc<W> w, const Conv2dOptions& options) {
  Windows<T> v;
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
  v.aligned = aligned_for_pieces(x.data, x.channels);
  return v;
}

inline void check_filter_vector(const char* who, const char* what, std::int64_t size,
                                std::int64_t filters) {
  KT_CHECK(size == 0 || size == filters, "{}: {} has {} elements, wanted {} or none", who, what,
           size, filters);
}

template <class T>
void check_gradient(const char* who, const Conv2dScaled<T>& forward, Krsc<float> dw,
                    Span<float> dscale, Span<float> dshift) {
  const bool is_scaled = !forward.scale.empty();
  check_filter_vector(who, "scale", forward.scale.size, dw.filters);
  check_filter_vector(who, "dscale", dscale.size, dw.filters);
  check_filter_vector(who, "dshift", dshift.size, dw.filters);
  KT_CHECK(is_scaled || dscale.empty(), "{}: dscale is asked for without a scale", who);
  KT_CHECK(!is_scaled || forward.w.size() == dw.size(), "{}: w has {} elements, dw {}", who,
           forward.w.size(), dw.size());
}

template <class T>
T* data_or_null(Span<T> span) {
  return span.empty() ? nullptr : span.data;
}

inline void check_workspace(const char* who, std::int64_t size, std::int64_t wanted) {
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

template <class T>
using DataProduct = Product<WindowsAlongK<T>, FilterTaps<T>, PixelOutput<T>>;

// g in windows that reach back from a pixel of dx.
template <class T>
Windows<T> back_windows(Nhwc<const T> g, const Phase& rows, const Phase& cols, std::int64_t batch) {
  Windows<T> v;
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
  v.aligned = aligned_for_pieces(g.data, g.channels);
  return v;
}

template <class T>
DataProduct<T> data_product_of(Nhwc<const T> g, Krsc<const T> w, Span<const float> scale,
                               Nhwc<T> dx, const QuadEnd<T>& end, const Phase& rows,
                               const Phase& cols, const Conv2dOptions& options) {
  DataProduct<T> p;
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
  p.b.aligned = aligned_for_pieces(w.data, w.channels);
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
  p.output.end = end;
  p.output.aligned = dx.channels % 4 == 0 && aligned_for_quads(dx.data) && end.aligned();
  return p;
}

}  // namespace ktrain::product
