// How CUDA cuts the products of kernels/gram.h into runs. A host header: it compiles without the
// toolkit.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ktrain::cuda {

constexpr int kGramSide = 4;  // vectors by tile and axis

// Warps that share a tile when there are so many groups of four vectors.
constexpr int gram_slices(int groups) { return groups == 1 ? 4 : groups == 2 ? 2 : 1; }
constexpr int gram_staged(int groups) { return 512 * gram_slices(groups); }  // elements at once

// Groups of four vectors, elements of a run and runs, from the sizes alone: 1280 runs at most.
struct GramRuns {
  std::int64_t groups, run, count;

  GramRuns(std::int64_t vectors, std::int64_t size)
      : groups((vectors + kGramSide - 1) / kGramSide) {
    const std::int64_t staged = gram_staged(static_cast<int>(groups));
    const std::int64_t pieces = (size + staged - 1) / staged;
    run = std::max<std::int64_t>(1, (pieces + 1279) / 1280) * staged;
    count = (size + run - 1) / run;
  }
  // Sums of one product, each of a run and slice.
  [[nodiscard]] std::int64_t partials() const {
    return count * gram_slices(static_cast<int>(groups));
  }
};

}  // namespace ktrain::cuda
