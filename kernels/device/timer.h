// Time of work on a GPU, by its own clock. A host header: it compiles without the toolkit.
#pragma once

#include "kernels/queue.h"

struct CUevent_st;

namespace ktrain {

class GpuTimer {
 public:
  GpuTimer();
  ~GpuTimer();
  GpuTimer(const GpuTimer&) = delete;
  GpuTimer& operator=(const GpuTimer&) = delete;

  void start(CudaStream stream);
  void stop(CudaStream stream);
  // Seconds between start and stop; waits for both.
  [[nodiscard]] double seconds() const;

 private:
  [[maybe_unused]] CUevent_st* start_ = nullptr;
  [[maybe_unused]] CUevent_st* stop_ = nullptr;
};

}  // namespace ktrain
