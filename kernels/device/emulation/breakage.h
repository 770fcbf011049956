// For tests of what follows when a GPU stops. Kernels do not see this: the errors have a header of
// their own.
#pragma once

#include "kernels/device/emulation/runtime_api.h"

inline constexpr cudaError_t cudaErrorECCUncorrectable{214}, cudaErrorIllegalAddress{700},
    cudaErrorLaunchTimeout{702}, cudaErrorAssert{710}, cudaErrorHardwareStackError{714},
    cudaErrorIllegalInstruction{715}, cudaErrorMisalignedAddress{716},
    cudaErrorInvalidAddressSpace{717}, cudaErrorInvalidPc{718}, cudaErrorLaunchFailure{719};

namespace ktrain::emulation {

// From now on every call fails with `error`, as after a kernel that did something that cannot be
// mended; cudaSuccess repairs the device. With `graphs` above 0: once that many more graphs were
// started, without an error of their own, as the host goes on while a GPU works.
void break_device(cudaError_t error, int graphs = 0);

}  // namespace ktrain::emulation
