// The first include of every .cu and .cuh file: CUDA under nvcc, its emulation on the CPU under any
// other compiler. Kernels are plain CUDA but for shared memory, which is declared by
//   float* const totals = shared_array<float, 32, struct Totals>();
// Every tag names an array of its own; all threads of a block get the same one. N elements of T,
// uninitialised, aligned to 16 bytes. dynamic_shared() is the memory that a launch asks for
// (launch_with_shared), aligned to 1024.
#pragma once

#if defined(__CUDACC__)

#include <cuda_runtime.h>

namespace ktrain {

template <class T, int N, class Tag>
__device__ __forceinline__ T* shared_array() {
  __shared__ __align__(16) T elements[N];
  return elements;
}

// The memory that a launch asks for, from 1024 bytes on.
__device__ __forceinline__ unsigned char* dynamic_shared() {
  extern __shared__ __align__(1024) unsigned char dynamic_bytes[];
  return dynamic_bytes;
}

}  // namespace ktrain

#else

#include "kernels/device/emulation/cuda.h"

#endif
