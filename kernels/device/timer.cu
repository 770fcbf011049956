#include "kernels/device/timer.h"

#include "kernels/device/calls.h"
#include "kernels/device/error.cuh"

namespace ktrain {

GpuTimer::GpuTimer() {
  KT_CUDA(cudaEventCreate(&start_));
  KT_CUDA(cudaEventCreate(&stop_));
}

GpuTimer::~GpuTimer() {
  (void)cudaEventDestroy(start_);
  (void)cudaEventDestroy(stop_);
}

void GpuTimer::start(CudaStream stream) {
  note_call(DeviceCall::kRecordEvent);
  KT_CUDA(cudaEventRecord(start_, stream));
}
void GpuTimer::stop(CudaStream stream) {
  note_call(DeviceCall::kRecordEvent);
  KT_CUDA(cudaEventRecord(stop_, stream));
}

double GpuTimer::seconds() const {
  note_call(DeviceCall::kWaitEvent);
  KT_CUDA(cudaEventSynchronize(stop_));
  float milliseconds = 0;
  KT_CUDA(cudaEventElapsedTime(&milliseconds, start_, stop_));
  return static_cast<double>(milliseconds) * 1e-3;
}

}  // namespace ktrain
