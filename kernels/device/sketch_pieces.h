// Scratch of the sketches of kernels/count_sketch.h on CUDA, and how their work is cut. A host
// header: it compiles without the toolkit.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/count_sketch.h"
#include "kernels/host_device.h"
#include "kernels/scratch.h"

namespace ktrain::cuda {

constexpr std::int64_t kSketchSegment = 1 << 15;  // elements whose largest one is known
constexpr std::int64_t kSketchRange = 4096;       // buckets of a block
constexpr std::int64_t kSketchBlocks =
    1024;  // about as many; ranges and vectors first, then splits

struct SketchPlan {
  std::int64_t segments, buckets, range, ranges, splits;
  std::uint32_t first, key;

  // Of the s-th split.
  [[nodiscard]] KT_HOST_DEVICE std::int64_t begin(std::int64_t s) const {
    return s * segments / splits;
  }
};

// What lies in scratch: the remainder, the segments' largest elements, the splits' sketches.
struct SketchPieces {
  std::int64_t active = 0;
  SketchPlan plan{};
  Span<float> rest, partials;
  Span<std::uint32_t> largest;

  SketchPieces(Scratch& scratch, Span<const Span<const float>> vectors, const Remainder& remainder,
               const SketchHash& hash, std::int64_t buckets) {
    const std::int64_t size = cpu::common_size(vectors);
    for (std::int64_t k = 0; k < vectors.size; ++k)
      active += !vectors[k].empty() || k == remainder.index ? 1 : 0;
    rest = scratch.take<float>(remainder.index >= 0 ? size : 0);
    if (hash.identity || size == 0) return;
    plan.segments = (size + kSketchSegment - 1) / kSketchSegment;
    plan.buckets = buckets;
    plan.range = std::min(buckets, kSketchRange);
    plan.ranges = buckets / plan.range;
    plan.splits =
        std::clamp<std::int64_t>(kSketchBlocks / (active * plan.ranges), 1, plan.segments);
    largest = scratch.take<std::uint32_t>(active * plan.segments);
    partials = scratch.take<float>(plan.splits > 1 ? plan.splits * active * buckets : 0);
  }
};

}  // namespace ktrain::cuda
