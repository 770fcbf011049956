// What a tensor copy (TMA) knows of an array: its sizes, and which box of it one copy takes. Made
// on the host, 128 bytes that a kernel gets among its arguments (const __grid_constant__), so that
// a graph keeps them.
//
// Elements have 2 bytes, what lies outside the array arrives as zeros, and lines of 128 bytes
// arrive swizzled: the 16-byte piece p of line l of shared memory, 128 bytes each, is where piece p
// ^ (l % 8) would be. Sizes and boxes are in elements, the innermost first, strides in bytes.
//
// Throws Error where the driver refuses one, and where there is no driver.
#pragma once

#include <array>
#include <cstdint>

namespace ktrain {

struct alignas(64) TensorMap {
  std::uint64_t words[16];
};

// The array's address and strides are multiples of 16; a box's first size is 64 at most, the others
// 256, and all may reach past the array. `sizes` of dimensions that are not there: 1.
struct TileMap {
  const void* data = nullptr;
  std::array<std::int64_t, 3> sizes = {1, 1, 1};
  std::array<std::int64_t, 2> strides = {};  // of the second and third dimension
  std::array<int, 3> box = {1, 1, 1};
  int rank = 2;  // or 3
};
[[nodiscard]] TensorMap tensor_map(const TileMap& tiles);

// A map (NHWC) whose pixels are taken along the windows of another map: `pixels` windows, each
// `stride` further in the box [lower, size - 1 + upper] of rows and columns, row by row, then the
// next image; of each window the one pixel that the copy's offsets say, 64 channels of it.
struct WindowMap {
  const void* data = nullptr;
  std::int64_t batch = 1, height = 1, width = 1, channels = 1;
  std::array<int, 2> lower = {}, upper = {};  // of columns and rows, -128 to 127
  int pixels = 1;                             // up to 256
  int stride = 1;                             // up to 8
};
[[nodiscard]] TensorMap tensor_map(const WindowMap& windows);

constexpr int kBoxLine = 64;  // elements of a swizzled line

}  // namespace ktrain
