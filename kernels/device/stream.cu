#include "kernels/device/stream.h"

#include <cstdlib>

#include "kernels/device/calls.h"
#include "kernels/device/error.cuh"
#include "kernels/device/launch.cuh"

namespace ktrain {

void check_launch(const char* kernel, CudaStream stream) {
  note_launch(kernel);
  const auto check = [kernel](cudaError_t error) {
    KT_CHECK(error == cudaSuccess, "{}: {} ({})", kernel, cudaGetErrorString(error),
             cudaGetErrorName(error));
  };
  check(cudaGetLastError());
  static const char* const wait = std::getenv("KT_SYNC_LAUNCH");
  if (!wait || *wait != '1') return;
  note_call(DeviceCall::kSynchronize);
  check(cudaStreamSynchronize(stream));
}

Stream::Stream() { KT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }

Stream::~Stream() { (void)cudaStreamDestroy(stream_); }  // a destructor frees and carries on

void Stream::synchronize() const {
  note_call(DeviceCall::kSynchronize);
  KT_CUDA(cudaStreamSynchronize(stream_));
}

Event::Event() { KT_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }

Event::~Event() { (void)cudaEventDestroy(event_); }

void Event::record(CudaStream stream) {
  note_call(DeviceCall::kRecordEvent);
  KT_CUDA(cudaEventRecord(event_, stream));
}

void Event::wait() const {
  note_call(DeviceCall::kWaitEvent);
  KT_CUDA(cudaEventSynchronize(event_));
}

}  // namespace ktrain
