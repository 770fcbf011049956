// Reductions over a warp and a block, in an order that depends on their width alone.
#pragma once

#include "kernels/device/port.cuh"

namespace ktrain {

constexpr int kWarpSize = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

struct Add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

// Over each group of `kLanes` neighbouring lanes; every lane gets its group's result, the same to
// the bit. All 32 lanes of the warp must call it.
template <int kLanes = kWarpSize, class T, class Op>
__device__ __forceinline__ T warp_reduce(T value, Op op) {
  static_assert(kLanes >= 1 && kLanes <= kWarpSize && (kLanes & (kLanes - 1)) == 0);
#pragma unroll
  for (int lanes = kLanes / 2; lanes > 0; lanes /= 2)
    value = op(value, __shfl_xor_sync(kAllLanes, value, lanes));
  return value;
}

// Over the block; every thread gets the result. `scratch` is shared memory for one T per warp and
// may be handed to the next call at once: the first barrier keeps a fast warp from overwriting what
// a slow one still reads. Every thread of the block must call it.
template <int kThreads, class T, class Op>
__device__ T block_reduce(T value, Op op, T identity, T* scratch) {
  static_assert(kThreads % kWarpSize == 0 && kThreads <= kWarpSize * kWarpSize);
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  value = warp_reduce(value, op);
  __syncthreads();
  if (lane == 0) scratch[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  return warp_reduce(lane < kThreads / kWarpSize ? scratch[lane] : identity, op);
}

}  // namespace ktrain
