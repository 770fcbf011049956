#include "kernels/device/lost.cuh"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "kernels/device/calls.h"
#include "kernels/device/lost.h"

#if !defined(__CUDACC__)
#include "kernels/device/emulation/breakage.h"
#endif

namespace ktrain {
namespace {

// After these the process can do nothing more with the GPU (CUDA Runtime API, cudaError_t).
constexpr std::array kStay = {
    cudaErrorECCUncorrectable,   cudaErrorIllegalAddress,
    cudaErrorLaunchTimeout,      cudaErrorAssert,
    cudaErrorHardwareStackError, cudaErrorIllegalInstruction,
    cudaErrorMisalignedAddress,  cudaErrorInvalidAddressSpace,
    cudaErrorInvalidPc,          cudaErrorLaunchFailure,
};

// With KT_SYNC_LAUNCH=1 each kernel was waited for, so that the last one is the one that failed.
std::string last_work() {
  const char* const kernel = last_launch();
  if (*kernel == '\0') return "no kernel was given to it";
  const char* const wait = std::getenv("KT_SYNC_LAUNCH");
  const bool named = wait != nullptr && *wait == '1';
  return fmt::format("the last kernel given to it was '{}'{}{}", kernel,
                     last_launch_was_a_graph() ? ", the end of a graph" : "",
                     named ? "" : "; run again with KT_SYNC_LAUNCH=1 to learn which one failed");
}

}  // namespace

void check_lost(cudaError_t error, const char* call) {
  if (std::find(kStay.begin(), kStay.end(), error) == kStay.end()) return;
  throw DeviceLost(fmt::format("the GPU has stopped: {} ({}), told by {}; {}",
                               cudaGetErrorString(error), cudaGetErrorName(error), call,
                               last_work()));
}

}  // namespace ktrain
