// The driver is asked through the statically linked run-time library, which opens libcuda itself
// and answers with an error where there is none.
#include "kernels/gpu.h"

#include <string_view>

#include <fmt/format.h>

#include "kernels/device/port.cuh"

namespace ktrain {
namespace {

__global__ void probe_kernel() {}

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

GpuQuery none(std::string reason) {
  (void)cudaGetLastError();
  return {{}, std::move(reason)};
}

}  // namespace

GpuQuery find_gpu() {
  int driver = 0, runtime = 0, count = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
    return none("no NVIDIA driver is installed");
  (void)cudaRuntimeGetVersion(&runtime);
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted == cudaErrorInsufficientDriver)
    return none(fmt::format("the driver supports CUDA {}, this program needs {}",
                            version_text(driver), version_text(runtime)));
  if (counted == cudaErrorNoDevice || (counted == cudaSuccess && count == 0))
    return none("the NVIDIA driver shows no GPU (CUDA_VISIBLE_DEVICES may hide it)");
  if (counted != cudaSuccess)
    return none(fmt::format("the NVIDIA driver says: {} ({})", cudaGetErrorString(counted),
                            cudaGetErrorName(counted)));
  cudaDeviceProp properties;
  cudaError_t asked = cudaGetDeviceProperties(&properties, 0);
  if (asked != cudaSuccess)
    return none(fmt::format("the first GPU does not answer: {}", cudaGetErrorString(asked)));
  cudaFuncAttributes attributes;
  asked = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&probe_kernel));
  if (asked == cudaErrorNoKernelImageForDevice)
    return none(
        fmt::format("this program has no kernels for {}, compute capability {}.{} (built "
                    "for {})",
                    properties.name, properties.major, properties.minor, KT_CUDA_ARCHITECTURES));
  if (asked != cudaSuccess)
    return none(fmt::format("{} cannot be used: {}", properties.name, cudaGetErrorString(asked)));
  return {Gpu{properties.name, properties.major, properties.minor,
              static_cast<std::int64_t>(properties.totalGlobalMem), properties.multiProcessorCount,
              std::string_view(KT_CUDA_ARCHITECTURES).find("90a") != std::string_view::npos},
          {}};
}

}  // namespace ktrain
