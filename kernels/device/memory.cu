#include "kernels/device/memory.h"

#include <algorithm>

#include "kernels/device/calls.h"
#include "kernels/device/lost.cuh"

namespace ktrain {
namespace {

void check_allocated(cudaError_t error, const char* what, std::int64_t bytes) {
  check_lost(error, what);
  if (error != cudaSuccess) (void)cudaGetLastError();
  KT_CHECK(error == cudaSuccess, "{}: {} bytes: {} ({})", what, bytes, cudaGetErrorString(error),
           cudaGetErrorName(error));
}

std::size_t at_least_one(std::int64_t bytes) {
  return static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1));
}

void copy(CudaStream stream, const void* from, void* to, std::int64_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return;
  KT_DEVICE(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), kind, stream));
}

}  // namespace

void* device_allocate(std::int64_t bytes) {
  note_call(DeviceCall::kAllocate);
  void* p = nullptr;
  check_allocated(cudaMalloc(&p, at_least_one(bytes)), "device_allocate", bytes);
  return p;
}

void device_free(void* p) noexcept {
  note_call(DeviceCall::kFree);
  (void)cudaFree(p);
}

DeviceMemory device_memory() {
  std::size_t free = 0, total = 0;
  KT_DEVICE(cudaMemGetInfo(&free, &total));
  return {static_cast<std::int64_t>(free), static_cast<std::int64_t>(total)};
}

void* pinned_allocate(std::int64_t bytes) {
  note_call(DeviceCall::kAllocateHost);
  void* p = nullptr;
  check_allocated(cudaMallocHost(&p, at_least_one(bytes)), "pinned_allocate", bytes);
  return p;
}

void pinned_free(void* p) noexcept {
  note_call(DeviceCall::kFreeHost);
  (void)cudaFreeHost(p);
}

void copy_to_device(CudaStream stream, const void* from, void* to, std::int64_t bytes) {
  note_call(DeviceCall::kCopyToDevice);
  copy(stream, from, to, bytes, cudaMemcpyHostToDevice);
}

void copy_to_host_later(CudaStream stream, const void* from, void* to, std::int64_t bytes) {
  note_call(DeviceCall::kCopyToHost);
  copy(stream, from, to, bytes, cudaMemcpyDeviceToHost);
}

void copy_to_host(CudaStream stream, const void* from, void* to, std::int64_t bytes) {
  copy_to_host_later(stream, from, to, bytes);
  note_call(DeviceCall::kSynchronize);
  KT_DEVICE(cudaStreamSynchronize(stream));
}

void copy_on_device(CudaStream stream, const void* from, void* to, std::int64_t bytes) {
  note_call(DeviceCall::kCopyOnDevice);
  copy(stream, from, to, bytes, cudaMemcpyDeviceToDevice);
}

void fill_device(CudaStream stream, void* to, std::uint8_t value, std::int64_t bytes) {
  note_call(DeviceCall::kFill);
  if (bytes == 0) return;
  KT_DEVICE(cudaMemsetAsync(to, value, static_cast<std::size_t>(bytes), stream));
}

void poison_device(CudaStream stream, void* to, std::int64_t bytes) {
  fill_device(stream, to, 0xFF, bytes);
}

}  // namespace ktrain
