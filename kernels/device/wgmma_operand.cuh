// What a product of the tier kWgmma reads: an operand (product_operands.cuh) as something that
// tensor copies bring, a box of 64 of k at a time, to shared memory in swizzled lines of 64
// elements. Which words describe() takes from an operand is all that a new one has to say.
//
//   along k      a line a side, 64 k of it; one box for all sides
//   along sides  a line a k, 64 sides of it; a box for each 64 sides
#pragma once

#include <cstdint>

#include "kernels/device/product_operands.cuh"
#include "kernels/device/product_windows.cuh"
#include "kernels/device/tensor_map.h"
#include "kernels/device/warpgroup.cuh"

namespace ktrain::product {

constexpr int kWgmmaStep = kBoxLine;                    // elements of k in a box
constexpr int kBlockBytes = kBoxLine * kWgmmaStep * 2;  // of 64 sides

enum class WgmmaKind : std::uint8_t { kMatrix, kFilterTaps, kWindows };

struct WgmmaOperand {
  TensorMap map;  // last of all, by make_map(): boxes depend on the tile
  const Bfloat16* data = nullptr;
  WgmmaKind kind = WgmmaKind::kMatrix;
  bool along_k = true;
  int sides = 0, depth = 0;
  int channels = 1;        // of a map's pixel, or of a filter's tap
  FastDivide by_channels;  // kWindows; of kFilterTaps by filters
  int filters = 1;
  // kWindows: pixel (n, p, q) of the other map has the window that starts at row p * stride + row,
  // column q * stride + col; taps are counted from its far end where they are `backward`.
  int batch = 1, height = 1, width = 1;
  int stride = 1, row = 0, col = 0, taps = 1;
  bool backward = false;
  int out_cols = 1, out_pixels = 1;
  FastDivide by_taps, by_out_cols, by_out_pixels;
};

// The copies of one step that one thread starts: kSides sides from `side` on, k to k + 63.
template <int kSides>
__device__ __forceinline__ void copy_matrix(const WgmmaOperand& o, int side, int k,
                                            unsigned char* to, std::uint64_t* barrier) {
  if (o.along_k) return warpgroup::copy_tile(to, o.map, barrier, k, side);
#pragma unroll
  for (int block = 0; block < kSides / kBoxLine; ++block)
    warpgroup::copy_tile(to + block * kBlockBytes, o.map, barrier, side + block * kBoxLine, k);
}

// A step is 64 filters of one tap.
template <int kSides>
__device__ __forceinline__ void copy_filter_taps(const WgmmaOperand& o, int side, int k,
                                                 unsigned char* to, std::uint64_t* barrier) {
  const int tap = o.by_channels(k);
#pragma unroll
  for (int block = 0; block < kSides / kBoxLine; ++block)
    warpgroup::copy_tile(
        to + block * kBlockBytes, o.map, barrier,
        warpgroup::TilePlaceInMap{side + block * kBoxLine, tap, k - tap * o.filters});
}

__device__ __forceinline__ warpgroup::WindowPlaceInMap window_of(const WgmmaOperand& o, int pixel) {
  warpgroup::WindowPlaceInMap at{};
  at.image = o.by_out_pixels(pixel);
  const int in_image = pixel - at.image * o.out_pixels;
  const int p = o.by_out_cols(in_image);
  at.row = p * o.stride + o.row;
  at.col = (in_image - p * o.out_cols) * o.stride + o.col;
  return at;
}

// 64 channels of a tap from number `t` = tap * channels + channel on.
__device__ __forceinline__ void set_tap(const WgmmaOperand& o, int t,
                                        warpgroup::WindowPlaceInMap& at) {
  const int tap = o.by_channels(t), r = o.by_taps(tap), s = tap - r * o.taps;
  at.channel = t - tap * o.channels;
  at.row_offset = static_cast<std::uint16_t>(o.backward ? o.taps - 1 - r : r);
  at.col_offset = static_cast<std::uint16_t>(o.backward ? o.taps - 1 - s : s);
}

// Along k a step is 64 channels of one tap, along sides they are 64 sides.
template <int kSides>
__device__ __forceinline__ void copy_windows(const WgmmaOperand& o, int side, int k,
                                             unsigned char* to, std::uint64_t* barrier) {
  warpgroup::WindowPlaceInMap at = window_of(o, o.along_k ? side : k);
  if (o.along_k) {
    set_tap(o, k, at);
    return warpgroup::copy_windows(to, o.map, barrier, at);
  }
#pragma unroll
  for (int block = 0; block < kSides / kBoxLine; ++block) {
    const int t = side + block * kBoxLine;
    if (t < o.sides)
      set_tap(o, t, at);
    else
      at.channel = o.channels;  // past the last one: zeros
    warpgroup::copy_windows(to + block * kBlockBytes, o.map, barrier, at);
  }
}

template <int kSides>
__device__ __forceinline__ void copy_step(const WgmmaOperand& o, int side, int k, unsigned char* to,
                                          std::uint64_t* barrier) {
  switch (o.kind) {
    case WgmmaKind::kMatrix:
      return copy_matrix<kSides>(o, side, k, to, barrier);
    case WgmmaKind::kFilterTaps:
      return copy_filter_taps<kSides>(o, side, k, to, barrier);
    case WgmmaKind::kWindows:
      return copy_windows<kSides>(o, side, k, to, barrier);
  }
}

// On the host. describe() is false where tensor copies cannot bring the operand, or the products of
// this tier do not take it; `o` means nothing then.
inline bool describe(const DenseAlongK<Bfloat16>& from, WgmmaOperand& o) {
  o.data = from.data;
  o.along_k = true;
  o.sides = from.sides;
  o.depth = from.depth;
  return from.in_pieces();
}

inline bool describe(const DenseAlongSide<Bfloat16>& from, WgmmaOperand& o) {
  o.data = from.data;
  o.along_k = false;
  o.sides = from.sides;
  o.depth = from.depth;
  return from.in_pieces() && !from.scale;
}

inline bool describe(const FilterTaps<Bfloat16>& from, WgmmaOperand& o) {
  o.data = from.data;
  o.kind = WgmmaKind::kFilterTaps;
  o.along_k = false;
  o.sides = o.channels = from.channels;
  o.depth = from.depth;
  o.filters = from.filters;
  o.by_channels = from.by_filters;
  return from.in_pieces() && !from.scale && from.stride == 1 && from.row == 0 && from.col == 0 &&
         from.tap_cols == from.cols && from.filters % kWgmmaStep == 0 &&
         std::int64_t{from.depth} * from.channels == from.filter_size * from.filters;
}

// Of a map's last window from its last row or column: the first tap of the last full one.
[[nodiscard]] inline int upper_corner(const WgmmaOperand& o) {
  return o.backward ? -(o.row + o.taps - 1) : -o.row - (o.taps - 1);
}

inline bool describe(const Windows<Bfloat16>& from, WgmmaOperand& o) {
  if (!from.aligned || from.channels % kWgmmaStep != 0 || from.pixels == 0) return false;
  const int taps = from.tap_cols;
  if (from.depth != taps * taps * from.channels || taps > 100 || from.stride > 8 ||
      from.row != from.col || from.row < -100 || from.row > 100)
    return false;
  o.data = from.data;
  o.kind = WgmmaKind::kWindows;
  o.channels = from.channels;
  o.by_channels = from.by_channels;
  o.batch = from.pixels / from.out_pixels;
  o.height = from.height;
  o.width = from.width;
  o.stride = from.stride;
  o.taps = taps;
  o.backward = from.direction < 0;
  o.row = o.col = o.backward ? from.row - (taps - 1) : from.row;
  o.out_cols = from.out_cols;
  o.out_pixels = from.out_pixels;
  o.by_taps = from.by_tap_cols;
  o.by_out_cols = from.by_out_cols;
  o.by_out_pixels = from.by_out_pixels;
  // A map has its corners in bytes.
  if (o.row < -128 || upper_corner(o) < -128 || upper_corner(o) > 127) return false;
  // The box of windows must be theirs to the pixel: the next one begins where it ends.
  const auto box = [&](int size) { return (size - 1 + upper_corner(o) - o.row) / o.stride + 1; };
  return box(o.width) == o.out_cols && o.out_pixels % o.out_cols == 0 &&
         box(o.height) == o.out_pixels / o.out_cols;
}

inline bool describe(const WindowsAlongK<Bfloat16>& from, WgmmaOperand& o) {
  o.along_k = true;
  o.sides = from.windows.pixels;
  o.depth = from.windows.depth;
  return describe(from.windows, o);
}

inline bool describe(const WindowsAlongSide<Bfloat16>& from, WgmmaOperand& o) {
  o.along_k = false;
  o.sides = from.windows.depth;
  o.depth = from.windows.pixels;
  return describe(from.windows, o);
}

// The map of an operand for tiles of so many sides.
[[nodiscard]] TensorMap make_map(const WgmmaOperand& o, int tile_sides);

}  // namespace ktrain::product
