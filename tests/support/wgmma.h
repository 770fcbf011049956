// Which tier products of bf16 take while a test runs.
#pragma once

#include "kernels/gpu.h"
#include "kernels/product_plan.h"

namespace ktrain::test {

// Can ProductTier::kWgmma run here: on the emulation, or on a GPU that it is for?
inline bool can_wgmma() {
  const GpuQuery found = find_gpu();
  return gpu_architecture() == 0 || (gpu_architecture() == 90 && found.gpu->has_sm90a_code);
}

// Allows the tier where it can run, or forbids it, while it lives.
class WgmmaSetting {
 public:
  explicit WgmmaSetting(bool allowed) : before_(enable_wgmma(allowed && can_wgmma())) {}
  ~WgmmaSetting() { enable_wgmma(before_); }
  WgmmaSetting(const WgmmaSetting&) = delete;
  WgmmaSetting& operator=(const WgmmaSetting&) = delete;

 private:
  bool before_;
};

}  // namespace ktrain::test
