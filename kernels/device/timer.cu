#include "kernels/device/timer.h"

#include "kernels/device/calls.h"
#include "kernels/device/lost.cuh"

namespace ktrain {

GpuTimer::GpuTimer() {
  KT_DEVICE(cudaEventCreate(&start_));
  KT_DEVICE(cudaEventCreate(&stop_));
}

GpuTimer::~GpuTimer() {
  (void)cudaEventDestroy(start_);
  (void)cudaEventDestroy(stop_);
}

void GpuTimer::start(CudaStream stream) {
  note_call(DeviceCall::kRecordEvent);
  KT_DEVICE(cudaEventRecord(start_, stream));
}
void GpuTimer::stop(CudaStream stream) {
  note_call(DeviceCall::kRecordEvent);
  KT_DEVICE(cudaEventRecord(stop_, stream));
}

double GpuTimer::seconds() const {
  note_call(DeviceCall::kWaitEvent);
  KT_DEVICE(cudaEventSynchronize(stop_));
  float milliseconds = 0;
  KT_DEVICE(cudaEventElapsedTime(&milliseconds, start_, stop_));
  return static_cast<double>(milliseconds) * 1e-3;
}

}  // namespace ktrain
