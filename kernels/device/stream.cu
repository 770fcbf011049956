#include "kernels/device/stream.h"

#include <cstdlib>

#include "kernels/device/calls.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/lost.cuh"

namespace ktrain {

void check_launch(const char* kernel, CudaStream stream) {
  const auto check = [kernel](cudaError_t error) {
    if (error == cudaSuccess) return;
    check_lost(error, fmt::format("the launch of '{}'", kernel).c_str());
    KT_CHECK(false, "{}: {} ({})", kernel, cudaGetErrorString(error), cudaGetErrorName(error));
  };
  check(cudaGetLastError());  // before it is noted: an error that stays came from an earlier one
  note_launch(kernel);
  static const char* const wait = std::getenv("KT_SYNC_LAUNCH");
  if (!wait || *wait != '1') return;
  note_call(DeviceCall::kSynchronize);
  check(cudaStreamSynchronize(stream));
}

Stream::Stream() { KT_DEVICE(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }

Stream::~Stream() { (void)cudaStreamDestroy(stream_); }  // a destructor frees and carries on

void Stream::synchronize() const {
  note_call(DeviceCall::kSynchronize);
  KT_DEVICE(cudaStreamSynchronize(stream_));
}

Event::Event() { KT_DEVICE(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }

Event::~Event() { (void)cudaEventDestroy(event_); }

void Event::record(CudaStream stream) {
  note_call(DeviceCall::kRecordEvent);
  KT_DEVICE(cudaEventRecord(event_, stream));
}

void Event::wait() const {
  note_call(DeviceCall::kWaitEvent);
  KT_DEVICE(cudaEventSynchronize(event_));
}

void Event::hold(CudaStream stream) const {
  note_call(DeviceCall::kHold);
  KT_DEVICE(cudaStreamWaitEvent(stream, event_, 0));
}

}  // namespace ktrain
