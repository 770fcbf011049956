// Sums of an operand's rows (Product::row_sums) whose k was cut into runs.
#pragma once

#include "kernels/device/port.cuh"

namespace ktrain::product {

// m for each run, and where their totals go: nowhere, if nobody asked or there is one run, which is
// the total.
struct RowSumRuns {
  const float* runs = nullptr;
  float* to = nullptr;

  // Adds a row's runs in their order.
  __device__ __forceinline__ void finish(int row, int m, int num_runs) const {
    const float* p = runs + row;
    double total = 0;
#pragma unroll 4
    for (int run = 0; run < num_runs; ++run, p += m) total += static_cast<double>(*p);
    to[row] = static_cast<float>(total);
  }
};

}  // namespace ktrain::product
