// The tensors of one batch: made once, filled for every step.
#pragma once

#include "data/loader.h"
#include "models/detector.h"
#include "runtime/staging.h"

namespace ktrain {

class BatchTensors {
 public:
  // Memory is accounted to the batch. Images of `padded` pixels, room for `max_boxes` boxes and as
  // many ignored regions in each.
  BatchTensors(const ContextPtr& context, std::int64_t batch, Size padded, std::int64_t max_boxes);

  // `batch` must have been made for the same sizes. Slots beyond its count become black images
  // without boxes. On a GPU the copies are on their way when it returns, and `batch` may go.
  void fill(const PairBatch& batch);

  [[nodiscard]] const DetectorInput& input() const { return input_; }

 private:
  // What fill() writes, in the order of its calls.
  enum Entry : std::size_t {
    kVisible,
    kThermal,
    kSizes,
    kScales,
    kBoxes,
    kBoxCounts,
    kIgnored,
    kIgnoredCounts,
    kCounters,
    kIdentity,
  };

  DetectorInput input_;
  Staging staging_;
  // Kept from step to step, so that filling allocates nothing.
  std::vector<std::int32_t> sizes_, counters_, identity_;
  std::vector<float> scales_;
};

}  // namespace ktrain
