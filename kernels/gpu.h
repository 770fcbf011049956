// Is there a GPU that this program has kernels for? Asked at run time: one program runs with and
// without a driver. A build without CUDA answers, too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ktrain {

struct Gpu {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  int major = 0;     // compute capability
  int minor = 0;
  std::int64_t memory_bytes = 0;
  int multiprocessors = 0;
  bool has_sm90a_code = false;  // does this program have kernels for sm_90a?
};

// Either a GPU or the reason why there is none, as a part of a sentence: "no NVIDIA driver is
// installed".
struct GpuQuery {
  std::optional<Gpu> gpu;
  std::string reason;
};

// Never throws for want of a GPU. The first GPU that the driver shows (CUDA_VISIBLE_DEVICES).
[[nodiscard]] GpuQuery find_gpu();

}  // namespace ktrain
