// The tensors of one batch: made once, filled for every step.
#pragma once

#include "data/loader.h"
#include "models/detector.h"

namespace ktrain {

class BatchTensors {
 public:
  // Memory is accounted to the batch. Images of `padded` pixels, room for `max_boxes` boxes and as
  // many ignored regions in each.
  BatchTensors(const ContextPtr& context, std::int64_t batch, Size padded, std::int64_t max_boxes);

  // `batch` must have been made for the same sizes. Slots beyond its count become black images
  // without boxes.
  void fill(const PairBatch& batch);

  [[nodiscard]] const DetectorInput& input() const { return input_; }

 private:
  DetectorInput input_;
  // Kept from step to step, so that filling allocates nothing.
  std::vector<std::int32_t> sizes_, counters_, identity_;
  std::vector<float> scales_;
};

}  // namespace ktrain
