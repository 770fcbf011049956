#include "kernels/sketch_blocks.h"

#include <cstring>

#include "kernels/checks/sketch_blocks.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

}  // namespace

void push_block(Span<const float> newest, Span<Bfloat16> finished, std::int64_t held) {
  const std::int64_t places = check_push_block(newest, finished, held), size = newest.size;
  if (size == 0) return;
  if (held == places) {
    --held;
    std::memmove(finished.data, finished.data + size,
                 static_cast<std::size_t>(held * size) * sizeof(Bfloat16));
  }
  Bfloat16* const into = finished.data + held * size;
  parallel_for(size, kGrain, [&](std::int64_t i) { into[i] = to_bfloat16(newest[i]); });
}

void join_blocks(Span<const float> newest, Span<Bfloat16> finished) {
  const std::int64_t places = check_join_blocks(newest, finished), size = newest.size;
  parallel_for(size, kGrain, [&](std::int64_t i) {
    for (std::int64_t b = 0; 2 * b < places; ++b) {
      const std::int64_t next = 2 * b + 1;
      const float second = next < places ? to_float(finished[next * size + i]) : newest[i];
      finished[b * size + i] = to_bfloat16(to_float(finished[2 * b * size + i]) + second);
    }
  });
}

}  // namespace ktrain::cpu
