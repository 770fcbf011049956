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
struct Windows {
  const float* data = nullptr;
  int height = 0, width = 0, channels = 0;
  int pixels = 0;  // of the other map, all images
  int stride = 1, row = 0, col = 0, direction = 1;
  int tap_cols = 1, depth = 0;
  FastDivide by_channels, by_tap_cols, by_out_cols, by_out_pixels;
  int out_cols = 1, out_pixels = 1;  // of one image of the other map
  bool aligned = false;

  // Where a pixel's window starts.
  struct Window {
    const float* image;
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
  [[nodiscard]] __device__ const float* find(const Window& window, const Tap& tap) const {
    const int h = window.row + tap.row, w = window.col + tap.col;
    if (h < 0 || h >= height || w < 0 || w >= width) return nullptr;
    return window.image + (std::int64_t{h} * width + w) * channels + tap.channel;
  }
  [[nodiscard]] __device__ float element(const Window& window, int t) const {
    const float* const p = find(window, tap_of(t));
    return p ? *p : 0.0f;
  }
  // Taps t to t + 3 of a window; `tap` is tap_of(t). Whole quads of channels have one place.
  [[nodiscard]] __device__ float4 quad(const Window& window, const Tap& tap, int t) const {
    if (aligned) {
      const float* const p = find(window, tap);
      return p ? load_quad(p, true) : no_quad();
    }
    return make_float4(element(window, t), element(window, t + 1), element(window, t + 2),
                       element(window, t + 3));
  }
};

// Sides are pixels, k their taps.
struct WindowsAlongK {
  static constexpr bool kAlongK = true;
  Windows windows;

  using Cursor = Windows::Window;
  [[nodiscard]] __device__ Cursor at(int side) const { return windows.window_of(side); }
  [[nodiscard]] __device__ float4 load(const Cursor& c, int k) const {
    return windows.quad(c, windows.tap_of(k), k);
  }
};

// Sides are taps, k the pixels.
struct WindowsAlongSide {
  static constexpr bool kAlongK = false;
  Windows windows;

  struct Cursor {
    Windows::Tap tap;
    int t;
  };
  [[nodiscard]] __device__ Cursor at(int side) const { return {windows.tap_of(side), side}; }
  [[nodiscard]] __device__ float4 load(const Cursor& c, int k) const {
    return windows.quad(windows.window_of(k), c.tap, c.t);
  }
};

// The filters as the data gradient reads them. Sides are channels; k is (i * tap_cols + j) *
// filters + f: filter f's tap (row + stride * i, col + stride * j), times scale[f] where there is a
// scale.
struct FilterTaps {
  static constexpr bool kAlongK = false;
  const float* data = nullptr;
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
    const int tap = by_filters(k), f = k - tap * filters;
    const int i = by_tap_cols(tap), j = tap - i * tap_cols;
    const int place = (row + stride * i) * cols + col + stride * j;
    const float* const p = data + f * filter_size + std::int64_t{place} * channels + side;
    const float4 q = load_quad(p, aligned, channels - side);
    return scale ? scaled(q, scale[f]) : q;
  }
};

// Rows are every stride-th pixel of every stride-th row of a map, from (row, col) on.
struct PixelOutput {
  float* data = nullptr;
  int height = 0, width = 0, channels = 0;
  int stride = 1, row = 0, col = 0;
  int cols = 1, pixels = 1;  // that are written, of one image
  FastDivide by_cols, by_pixels;
  bool aligned = false;

  __device__ void put(int m, int n, float4 v) const {
    const int count = channels - n;
    if (count <= 0) return;
    const int image = by_pixels(m), in_image = m - image * pixels;
    const int i = by_cols(in_image), j = in_image - i * cols;
    const std::int64_t line = std::int64_t{image} * height + row + stride * i;
    float* const p = data + (line * width + col + stride * j) * channels + n;
    store_quad(p, v, aligned, count);
  }
};

}  // namespace ktrain::product
