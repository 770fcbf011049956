// Rows that neighbouring lanes of a warp share.
#pragma once

#include <cstdint>

#include "kernels/device/port.cuh"
#include "kernels/device/reduce.cuh"

namespace ktrain::cuda {

constexpr int kRowThreads = 256;

// Where a thread stands when kLanes lanes take a row: its row, its first column, whether the row
// exists. All lanes of a warp take part in its shuffles, so that nobody returns before those.
template <int kLanes>
struct RowPlace {
  std::int64_t row;
  int lane;
  bool exists;

  __device__ explicit RowPlace(std::int64_t rows)
      : row((std::int64_t{blockIdx.x} * kRowThreads + threadIdx.x) / kLanes),
        lane(static_cast<int>(threadIdx.x) % kLanes),
        exists(row < rows) {}
};

}  // namespace ktrain::cuda
