// KT_DEVICE(cudaStreamSynchronize(stream)): as KT_CUDA, but throws DeviceLost when the error is one
// that stays. Any call may tell what earlier work did wrong, so all of kernels/device/ is written
// so.
#pragma once

#include "kernels/device/error.cuh"

namespace ktrain {

// Throws DeviceLost when every later call fails after `error`; `call`: who told it.
void check_lost(cudaError_t error, const char* call);

inline void check_device(cudaError_t error, const char* call, const char* file, int line) {
  if (error == cudaSuccess) return;
  check_lost(error, call);
  check_cuda(error, call, file, line);
}

}  // namespace ktrain

#define KT_DEVICE(call) ::ktrain::check_device((call), #call, __FILE__, __LINE__)
