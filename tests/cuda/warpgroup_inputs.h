// Inputs of Hopper's instructions, for their tests and for what is stored of a GPU.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/device/tensor_map.h"
#include "tests/cuda/probes/warpgroup.h"

namespace ktrain::test {

using Elements = std::vector<std::uint16_t>;

// 1, 2, 3, ...: zeros stand for what is outside.
inline Elements numbered(std::size_t count) {
  Elements v(count);
  for (std::size_t i = 0; i < count; ++i) v[i] = static_cast<std::uint16_t>(i % 65535 + 1);
  return v;
}

// A convolution of square filters over maps of 64 channels, and a window to begin with, in the
// order of the other map.
struct WindowCase {
  int width, height, images, taps, pad, stride;
  int first;

  [[nodiscard]] std::size_t elements() const {
    return static_cast<std::size_t>(width * height * images * kBoxLine);
  }
  // Image, row and column of a window.
  [[nodiscard]] std::array<int, 3> window(int i) const {
    const int cols = (width + 2 * pad - taps) / stride + 1;
    const int rows = (height + 2 * pad - taps) / stride + 1;
    return {i / (rows * cols), i / cols % rows * stride - pad, i % cols * stride - pad};
  }
  // Of the first window the tap in row r, column q.
  [[nodiscard]] ProbeWindow place(int r, int q) const {
    const auto [image, row, col] = window(first);
    return {0, col, row, image, static_cast<std::uint16_t>(q), static_cast<std::uint16_t>(r)};
  }
  [[nodiscard]] TensorMap map(const std::uint16_t* data, int pixels) const {
    WindowMap map;
    map.data = data;
    map.batch = images;
    map.height = height;
    map.width = width;
    map.channels = kBoxLine;
    map.lower = {-pad, -pad};
    map.upper = {pad - (taps - 1), pad - (taps - 1)};
    map.pixels = pixels;
    map.stride = stride;
    return tensor_map(map);
  }
};

// Where element (side, k) of an operand stands in the image, k of 16 from where the operand starts,
// as the ISA's canonical layouts of 128-byte swizzle have it: eight lines of 128 bytes are a unit;
// along k a line is a side's, units of eight sides are `stride` apart; along sides a line is one k
// of 64 sides, units of eight k are `stride` and those of 64 sides `leading` apart.
inline std::size_t operand_place(const ProbeOperand& o, int side, int k) {
  const int line = o.along_side ? k % 8 : side % 8;
  const int element = o.along_side ? side % 64 : o.start % 1024 / 2 + k;
  const int unit = o.along_side ? side / 64 * o.leading + k / 8 * o.stride : side / 8 * o.stride;
  // A start within the first line, of what is along k, is no part of the unit's place.
  const int base = o.along_side ? o.start : o.start / 1024 * 1024;
  const int at = base + unit + line * 128 + (element / 8 ^ line) * 16 + element % 8 * 2;
  return static_cast<std::size_t>(at / 2);
}

// Who holds which of 64 x cols sums: the i-th of a thread. "Row = 16 warp + lane / 4 + 8 for i of 2
// and 3, column = 8 (i / 4) + 2 (lane % 4) + i % 2."
struct SumPlace {
  int row, col;
};
inline SumPlace sum_place(int thread, int i) {
  return {thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8, i / 4 * 8 + thread % 4 * 2 + i % 2};
}

}  // namespace ktrain::test
