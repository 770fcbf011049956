// What device/warpgroup.cuh brings and multiplies, one instruction at a time, as it stands in
// shared memory and registers. For GPUs that have it, and the emulation.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/device/tensor_map.h"
#include "kernels/queue.h"

namespace ktrain::test {

// Copies the box at these elements (innermost first) of a map of `rank` 2 or 3, `lines` lines of 64
// elements, and hands shared memory out as it is.
void probe_copy_tile(CudaStream stream, const TensorMap& map, int rank, std::array<int, 3> at,
                     int lines, std::uint16_t* shared);
// The same of windows: from channel, column, row, image on, and the offsets of column and row.
struct ProbeWindow {
  int channel, col, row, image;
  std::uint16_t col_offset, row_offset;
};
void probe_copy_windows(CudaStream stream, const TensorMap& map, const ProbeWindow& at, int lines,
                        std::uint16_t* shared);

// Does a copy count `bytes` on its barrier, no less and no more? Three answers, 1 for yes: the
// phase ends when so many are expected; it ends when 16 more are; and when those 16 are then
// counted by hand. No answer can hang.
void probe_bytes_of_tile(CudaStream stream, const TensorMap& map, int rank, std::array<int, 3> at,
                         int bytes, std::uint32_t* answers);
void probe_bytes_of_windows(CudaStream stream, const TensorMap& map, const ProbeWindow& at,
                            int bytes, std::uint32_t* answers);

// d = a b of 64 x cols x 16, twice one after the other when `twice`, with a and b in `image`, which
// becomes shared memory from its start on: 40 KiB. Where an operand begins in it, and its offsets,
// in bytes.
struct ProbeOperand {
  bool along_side;
  int start, leading, stride;
};
struct ProbeProduct {
  int cols;  // 64, 128 or 256
  ProbeOperand a, b;
  bool twice;
};
constexpr int kProbeImageBytes = 40 << 10;
// d: cols / 2 floats of each of 128 threads.
void probe_multiply(CudaStream stream, const ProbeProduct& product, const std::uint16_t* image,
                    float* d);

}  // namespace ktrain::test
