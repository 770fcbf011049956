// How CUDA splits a long sum into runs, for the contracts that ask for room to keep them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/scratch.h"

namespace ktrain {

// Terms of one block, a whole number of rounds of its 256 threads; 1024 blocks at most.
[[nodiscard]] constexpr std::int64_t sum_run(std::int64_t size) {
  return std::max<std::int64_t>(8, (size + 262143) / 262144) * 256;
}
[[nodiscard]] constexpr std::int64_t sum_runs(std::int64_t size) {
  return (size + sum_run(size) - 1) / sum_run(size);
}
// A double for each run.
[[nodiscard]] inline std::int64_t sum_scratch_bytes(std::int64_t size) {
  Scratch scratch;
  (void)scratch.take<double>(sum_runs(size));
  return scratch.bytes();
}

}  // namespace ktrain
