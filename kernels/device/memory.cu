#include "kernels/device/memory.h"

#include <algorithm>

#include "kernels/device/error.cuh"

namespace ktrain {

void* device_allocate(std::int64_t bytes) {
  void* p = nullptr;
  const cudaError_t error =
      cudaMalloc(&p, static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)));
  if (error != cudaSuccess) (void)cudaGetLastError();
  KT_CHECK(error == cudaSuccess, "device_allocate: {} bytes: {} ({})", bytes,
           cudaGetErrorString(error), cudaGetErrorName(error));
  return p;
}

void device_free(void* p) noexcept { (void)cudaFree(p); }

void copy_to_device(CudaStream stream, const void* from, void* to, std::int64_t bytes) {
  KT_CUDA(
      cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyHostToDevice, stream));
}

void copy_to_host(CudaStream stream, const void* from, void* to, std::int64_t bytes) {
  KT_CUDA(
      cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToHost, stream));
  KT_CUDA(cudaStreamSynchronize(stream));
}

void poison_device(CudaStream stream, void* to, std::int64_t bytes) {
  KT_CUDA(cudaMemsetAsync(to, 0xFF, static_cast<std::size_t>(bytes), stream));
}

}  // namespace ktrain
