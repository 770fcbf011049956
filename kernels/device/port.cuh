// The first include of every .cu and .cuh file: CUDA under nvcc, its emulation on the CPU under any
// other compiler. Kernels are plain CUDA but for shared memory, which is declared by
//   float* const totals = shared_array<float, 32, struct Totals>();
// Every tag names an array of its own; all threads of a block get the same one. N elements of T,
// uninitialised, aligned to 16 bytes.
#pragma once

#if defined(__CUDACC__)

#include <cuda_runtime.h>

namespace ktrain {

template <class T, int N, class Tag>
__device__ __forceinline__ T* shared_array() {
  __shared__ __align__(16) T elements[N];
  return elements;
}

}  // namespace ktrain

#else

#include "kernels/device/emulation/cuda.h"

#endif
