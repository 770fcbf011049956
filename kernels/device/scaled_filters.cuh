// What a scale does to filters and to their gradients, for conv2d_products.cuh and
// conv2d_group_products.cuh.
#pragma once

#include <cstdint>

#include "kernels/conv2d.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/product.cuh"
#include "kernels/device/reduce.cuh"

namespace ktrain::product {

constexpr int kFilterThreads = 256;

// kMost convolutions' filters of one shape; a block for each filter.
template <class T, int kMost>
struct ScaledFilters {
  const T* w[kMost];
  const float* scale[kMost];
  T* scaled[kMost];
  int filters = 0, taps = 0;
  bool aligned = false;  // all of them
};

// scaled[k] = scale[k] w[k].
template <class T, int kMost>
__global__ void __launch_bounds__(kFilterThreads)
    scale_filters_kernel(const __grid_constant__ ScaledFilters<T, kMost> all) {
  const int which = static_cast<int>(blockIdx.x) / all.filters;
  const int filter = static_cast<int>(blockIdx.x) - which * all.filters;
  const std::int64_t row = std::int64_t{filter} * all.taps;
  const T* const w = all.w[which] + row;
  T* const to = all.scaled[which] + row;
  const float factor = all.scale[which][filter];
  for (int i = static_cast<int>(threadIdx.x) * 4; i < all.taps; i += kFilterThreads * 4)
    store_quad(to + i, scaled(load_quad(w + i, all.aligned, all.taps - i), factor), all.aligned,
               all.taps - i);
}

// kMost convolutions' gradients of filters of one shape, as they are without a scale: each the sum
// of num_runs runs that lie one after another, in their order. A block for each filter.
template <class T, int kMost>
struct ScaledGradients {
  const float* runs[kMost];  // the first of each
  int num_runs[kMost];
  const T* w[kMost];
  const float* scale[kMost];
  float* dw[kMost];
  float* dscale[kMost];    // or null
  RowSumRuns rows[kMost];  // of the same runs
  std::int64_t run_size = 0;
  int filters = 0, taps = 0;
  bool aligned = false;  // all of them
};

// dscale[k] = <w[k], G[k]>, dw[k] = scale[k] G[k]. A single run may stand in dw itself.
template <class T, int kMost>
__global__ void __launch_bounds__(kFilterThreads)
    scale_gradients_kernel(const __grid_constant__ ScaledGradients<T, kMost> all) {
  double* const scratch = shared_array<double, kFilterThreads / kWarpSize, struct DotScratch>();
  const int which = static_cast<int>(blockIdx.x) / all.filters;
  const int filter = static_cast<int>(blockIdx.x) - which * all.filters;
  const std::int64_t row = std::int64_t{filter} * all.taps;
  const float* const runs = all.runs[which] + row;
  const int num_runs = all.num_runs[which];
  const float factor = all.scale[which][filter];
  float* const dscale = all.dscale[which];
  // By a thread that has least to do else.
  if (all.rows[which].to && threadIdx.x == kFilterThreads - 1)
    all.rows[which].finish(filter, all.filters, num_runs);
  double dot = 0;
  for (int i = static_cast<int>(threadIdx.x) * 4; i < all.taps; i += kFilterThreads * 4) {
    const int left = all.taps - i;
    float4 sum = no_quad();
#pragma unroll 4
    for (int r = 0; r < num_runs; ++r)
      sum = sum_of(sum, load_quad(runs + r * all.run_size + i, all.aligned, left));
    if (dscale) {
      const float4 q = load_quad(all.w[which] + row + i, all.aligned, left);
      dot += static_cast<double>(q.x) * static_cast<double>(sum.x) +
             static_cast<double>(q.y) * static_cast<double>(sum.y);
      dot += static_cast<double>(q.z) * static_cast<double>(sum.z) +
             static_cast<double>(q.w) * static_cast<double>(sum.w);
    }
    store_quad(all.dw[which] + row + i, scaled(sum, factor), all.aligned, left);
  }
  if (!dscale) return;
  dot = block_reduce<kFilterThreads>(dot, Add{}, 0.0, scratch);
  if (threadIdx.x == 0) dscale[filter] = static_cast<float>(dot);
}

}  // namespace ktrain::product
