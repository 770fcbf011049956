#include "kernels/device/stream.h"

#include <cstdlib>

#include "kernels/device/error.cuh"
#include "kernels/device/launch.cuh"

namespace ktrain {

void check_launch(const char* kernel, CudaStream stream) {
  const auto check = [kernel](cudaError_t error) {
    KT_CHECK(error == cudaSuccess, "{}: {} ({})", kernel, cudaGetErrorString(error),
             cudaGetErrorName(error));
  };
  check(cudaGetLastError());
  static const char* const wait = std::getenv("KT_SYNC_LAUNCH");
  if (wait && *wait == '1') check(cudaStreamSynchronize(stream));
}

Stream::Stream() { KT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }

Stream::~Stream() { (void)cudaStreamDestroy(stream_); }  // a destructor frees and carries on

void Stream::synchronize() const { KT_CUDA(cudaStreamSynchronize(stream_)); }

}  // namespace ktrain
