// KT_CUDA(cudaMalloc(&p, bytes)): throws Error when the call does not succeed.
#pragma once

#include "kernels/check.h"
#include "kernels/device/port.cuh"

namespace ktrain {

inline void check_cuda(cudaError_t error, const char* call, const char* file, int line) {
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();  // told once: the next check must not find it again
  fail(file, line, "{}: {} ({})", call, cudaGetErrorString(error), cudaGetErrorName(error));
}

}  // namespace ktrain

#define KT_CUDA(call) ::ktrain::check_cuda((call), #call, __FILE__, __LINE__)
