// What the ops of kernels/nms.h refuse.
#pragma once

#include "kernels/check.h"
#include "kernels/nms.h"

namespace ktrain {

// On CUDA, by every op that suppresses, before it starts anything.
inline void check_nms_capacity(const char* who, std::int64_t capacity) {
  KT_CHECK(capacity <= cuda::kNmsMaxWords * std::int64_t{64},
           "{}: lists of {} boxes, at most {} on CUDA", who, capacity,
           cuda::kNmsMaxWords * std::int64_t{64});
}

}  // namespace ktrain
