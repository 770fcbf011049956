// What the ops of kernels/sketch_blocks.h refuse, on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/sketch_blocks.h"

namespace ktrain {

// The places of `finished`; 0 when blocks have no element.
inline std::int64_t block_places(Span<const float> newest, Span<Bfloat16> finished) {
  if (newest.empty() && finished.empty()) return 0;
  KT_CHECK(!newest.empty() && !finished.empty() && finished.size % newest.size == 0,
           "sketch blocks: blocks of {} elements, room for {}", newest.size, finished.size);
  return finished.size / newest.size;
}

inline std::int64_t check_push_block(Span<const float> newest, Span<Bfloat16> finished,
                                     std::int64_t held) {
  const std::int64_t places = block_places(newest, finished);
  KT_CHECK(held >= 0 && held <= places, "push_block: {} of {} places are held", held, places);
  return places;
}

inline std::int64_t check_join_blocks(Span<const float> newest, Span<Bfloat16> finished) {
  const std::int64_t places = block_places(newest, finished);
  KT_CHECK(newest.empty() || places % 2 == 1, "join_blocks: {} places, wanted an odd number",
           places);
  return places;
}

}  // namespace ktrain
