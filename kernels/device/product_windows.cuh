// Convolutions as products without a copy of the map (implicit GEMM): operands that look up what a
// tap of a pixel is while they load.
#pragma once

#include <cstdint>

#include "kernels/device/fast_divide.h"
#include "kernels/device/product_operands.cuh"

namespace ktrain::product {

// Added to any row or column of a map it gives one outside; twice of it is still an int.
constexpr int kOutside = -(1 << 29);

// A map read through windows: pixel (n, p, q) of the other map has the window that starts at row
// p * stride + row and column q * stride + col. Tap (r, s) of it lies `direction` * (r, s) further;
// zero outside the map. Taps are numbered (r * tap_cols + s) * channels + c, `depth` of them.
template <class T>
struct Windows {
  const T* data = nullptr;
  int height = 0, width = 0, channels = 0;
  int pixels = 0;  // of the other map, all images
  int stride = 1, row = 0, col = 0, direction = 1;
  int tap_cols = 1, depth = 0;
  FastDivide by_channels, by_tap_cols, by_out_cols, by_out_pixels;
  int out_cols = 1, out_pixels = 1;  // of one image of the other map
  bool aligned = false;

  // Where a pixel's window starts.
  struct Window {
    const T* image;
    int row, col;
  };
  [[nodiscard]] __device__ Window window_of(int pixel) const {
    if (pixel >= pixels) return {data, kOutside, kOutside};
    const int n = by_out_pixels(pixel);
    const int in_image = pixel - n * out_pixels;
    const int p = by_out_cols(in_image);
    const int q = in_image - p * out_cols;
    return {data + std::int64_t{n} * height * width * channels, p * stride + row, q * stride + col};
  }

  // How far a tap is from the window's start.
  struct Tap {
    int row, col, channel;
  };
  [[nodiscard]] __device__ Tap tap_of(int t) const {
    if (t >= depth) return {kOutside, kOutside, 0};
    const int tap = by_channels(t);
    const int r = by_tap_cols(tap);
    return {direction * r, direction * (tap - r * tap_cols), t - tap * channels};
  }

  // Null outside the map.
  [[nodiscard]] __device__ const T* find(const Window& window, const Tap& tap) const {
    const int h = window.row + tap.row, w = window.col + tap.col;
    if (h < 0 || h >= height || w < 0 || w >= width) return nullptr;
    return window.image + (std::int64_t{h} * width + w) * channels + tap.channel;
  }
  [[nodiscard]] __device__ T element(const Window& window, int t) const {
    const T* const p = find(window, tap_of(t));
    return p ? *p : T{};
  }
  // Taps t to t + 3 of a window; `tap` is tap_of(t). Whole quads of channels have one place.
  [[nodiscard]] __device__ float4 quad(const Window& window, const Tap& tap, int t) const {
    if (aligned) {
      const T* const p = find(window, tap);
      return p ? load_quad(p, true) : no_quad();
    }
    return make_float4(element(window, t), element(window, t + 1), element(window, t + 2),
                       element(window, t + 3));
  }
};

// Sides are pixels, k their taps.
template <class T>
struct WindowsAlongK {
  using Element = T;
  static constexpr bool kAlongK = true;
  Windows<T> windows;

  using Cursor = typename Windows<T>::Window;
  [[nodiscard]] __device__ Cursor at(int side) const { return windows.window_of(side); }
  [[nodiscard]] __device__ float4 load(const Cursor& c, int k) const {
    return windows.quad(c, windows.tap_of(k), k);
  }
  [[nodiscard]] KT_HOST_DEVICE bool in_pieces() const { return windows.aligned; }
  [[nodiscard]] __device__ const T* origin() const { return windows.data; }
  [[nodiscard]] __device__ const T* find(const Cursor& c, int k) const {
    return windows.find(c, windows.tap_of(k));
  }
  [[nodiscard]] __device__ T element(const Cursor& c, int k, int i) const {
    return windows.element(c, k + i);
  }
};

// Sides are taps, k the pixels.
template <class T>
struct WindowsAlongSide {
  using Element = T;
  static constexpr bool kAlongK = false;
  Windows<T> windows;

  struct Cursor {
    typename Windows<T>::Tap tap;
    int t;
  };
  [[nodiscard]] __device__ Cursor at(int side) const { return {windows.tap_of(side), side}; }
  [[nodiscard]] __device__ float4 load(const Cursor& c, int k) const {
    return windows.quad(windows.window_of(k), c.tap, c.t);
  }
  [[nodiscard]] KT_HOST_DEVICE bool in_pieces() const { return windows.aligned; }
  [[nodiscard]] __device__ const T* origin() const { return windows.data; }
  [[nodiscard]] __device__ const T* find(const Cursor& c, int k) const {
    return windows.find(windows.window_of(k), c.tap);
  }
  [[nodiscard]] __device__ T element(const Cursor& c, int k, int i) const {
    return windows.element(windows.window_of(k), c.t + i);
  }
};

// The filters as the data gradient reads them. Sides are channels; k is (i * tap_cols + j) *
// filters + f: filter f's tap (row + stride * i, col + stride * j), times scale[f] where there is a
// scale: for quads only.
template <class T>
struct FilterTaps {
  using Element = T;
  static constexpr bool kAlongK = false;
  const T* data = nullptr;
  const float* scale = nullptr;
  int channels = 0, filters = 0, depth = 0;
  int cols = 1;  // taps of a row of a filter
  int stride = 1, row = 0, col = 0, tap_cols = 1;
  std::int64_t filter_size = 0;
  FastDivide by_filters, by_tap_cols;
  bool aligned = false;

  using Cursor = int;
  [[nodiscard]] __device__ Cursor at(int side) const { return side; }
  [[nodiscard]] __device__ float4 load(Cursor side, int k) const {
    if (k >= depth) return no_quad();
    const float4 q = load_quad(place(side, k), aligned, channels - side);
    return scale ? scaled(q, scale[k - by_filters(k) * filters]) : q;
  }
  [[nodiscard]] KT_HOST_DEVICE bool in_pieces() const { return aligned; }
  [[nodiscard]] __device__ const T* origin() const { return data; }
  [[nodiscard]] __device__ const T* find(Cursor side, int k) const {
    return k < depth && side < channels ? place(side, k) : nullptr;
  }
  [[nodiscard]] __device__ T element(Cursor side, int k, int i) const {
    return k < depth && side + i < channels ? place(side, k)[i] : T{};
  }
  // k is inside.
  [[nodiscard]] __device__ const T* place(int side, int k) const {
    const int tap = by_filters(k), f = k - tap * filters;
    const int i = by_tap_cols(tap), j = tap - i * tap_cols;
    const int at = (row + stride * i) * cols + col + stride * j;
    return data + f * filter_size + std::int64_t{at} * channels + side;
  }
};

// Rows are every stride-th pixel of every stride-th row of a map, from (row, col) on.
template <class T>
struct PixelOutput {
  T* data = nullptr;
  int height = 0, width = 0, channels = 0;
  int stride = 1, row = 0, col = 0;
  int cols = 1, pixels = 1;  // that are written, of one image
  FastDivide by_cols, by_pixels;
  QuadEnd<T> end;
  bool aligned = false;

  __device__ void put(int m, int n, float4 v) const {
    const int count = channels - n;
    if (count <= 0) return;
    const int image = by_pixels(m), in_image = m - image * pixels;
    const int i = by_cols(in_image), j = in_image - i * cols;
    const std::int64_t line = std::int64_t{image} * height + row + stride * i;
    const std::int64_t to = (line * width + col + stride * j) * channels + n;
    store_quad(data + to, end(v, to, aligned, count), aligned, count);
  }
};

// What takes the same quads to the same places, without looking up pixels: of a PixelOutput of
// stride 1, whose rows are all pixels in their order.
template <class T>
DenseOutput<T> dense_output(const PixelOutput<T>& from) {
  DenseOutput<T> to;
  to.data = from.data;
  to.cols = from.channels;
  to.end = from.end;
  to.aligned = from.aligned;
  return to;
}
template <class T>
DenseOutput<T> dense_output(const DenseOutput<T>& from) {
  return from;
}

}  // namespace ktrain::product
