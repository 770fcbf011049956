// How the pixels of a map are dealt out: a block takes neighbouring pixels of one row of one image,
// `lanes` threads side by side take four channels each of one pixel (and further ones, where a map
// has more channels than that).
#pragma once

#include "kernels/device/launch.cuh"
#include "kernels/device/port.cuh"
#include "kernels/view.h"

namespace ktrain {

constexpr int kPixelThreads = 256;
constexpr int kPixelLanes = 64;  // at most

struct PixelGrid {
  int height, width, channels;
  int lanes;          // a power of two
  int chunks;         // blocks along a row
  std::int64_t rows;  // of all images

  [[nodiscard]] std::int64_t blocks() const { return rows * chunks; }
};

// Sides are at most 65535, so that the product of two fits into 32 bits; throws Error beyond.
template <class T>
PixelGrid pixel_grid(const char* who, Nhwc<T> map) {
  KT_CHECK(map.height <= 65535 && map.width <= 65535 && map.channels < (1 << 30),
           "{}: a map is {}x{}x{}; at most 65535x65535x2^30 can be worked on", who, map.height,
           map.width, map.channels);
  int lanes = 1;
  while (lanes * 4 < map.channels && lanes < kPixelLanes) lanes *= 2;
  return {static_cast<int>(map.height),
          static_cast<int>(map.width),
          static_cast<int>(map.channels),
          lanes,
          static_cast<int>(num_blocks(map.width, kPixelThreads / lanes)),
          map.batch * map.height};
}

// A thread's pixel, and its first channel; the next four are `step` further.
struct PixelPlace {
  int image, row, col;
  int first, step;
  bool exists;

  __device__ explicit PixelPlace(const PixelGrid& grid) {
    const int block = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
    const int map_row = block / grid.chunks;
    image = map_row / grid.height;
    row = map_row % grid.height;
    col = block % grid.chunks * (kPixelThreads / grid.lanes) + thread / grid.lanes;
    first = thread % grid.lanes * 4;
    step = grid.lanes * 4;
    exists = col < grid.width;
  }
};

// Where pixel (image, row, col) of a map of these sides begins.
__device__ __forceinline__ std::int64_t pixel_offset(int image, int row, int col, int height,
                                                     int width, int channels) {
  return ((std::int64_t{image} * height + row) * width + col) * channels;
}

}  // namespace ktrain
