// Region proposal network (Ren et al. 2015) on a pyramid, with mmdetection's assignment, sampling
// and normalisation of losses.
#pragma once

#include <array>
#include <cstdint>

#include "models/fpn.h"
#include "runtime/ops_detection.h"

namespace ktrain {

struct RpnOptions {
  std::int64_t nms_pre = 2000, nms_pre_test = 1000;  // anchors of a level that reach suppression
  std::int64_t max_proposals = 1000;                 // of an image
  double nms = 0.7;
  std::int64_t samples = 256;  // anchors of an image that a step trains on
  double positive_share = 0.5, positive_iou = 0.7, negative_iou = 0.3;
  double ignore_iof = 0.5;
  AnchorShapes anchors;
};

// Of `size` places at most share * size positives.
[[nodiscard]] constexpr SampleRule sample_rule(std::int64_t size, double share) {
  return {size, static_cast<std::int64_t>(static_cast<double>(size) * share)};
}

// Parameters: rpn_conv, rpn_cls, rpn_reg, shared by all levels.
class Rpn {
 public:
  Rpn(const Maker& maker, std::int64_t channels, const RpnOptions& options);

  // Of every anchor, in the order level, row, column, ratio.
  struct Output {
    AnchorGrid grid;
    Tensor anchors;  // anchors x 4
    Tensor logits;   // batch x anchors
    Tensor deltas;   // batch x (anchors * 4)
  };
  [[nodiscard]] Output operator()(const Pyramid& fused) const;

  struct Losses {
    Tensor cls, bbox;
  };
  // Trains on images without a box too: their anchors are negatives. sizes: int32, batch x (height,
  // width).
  [[nodiscard]] Losses losses(const Output& output, const Tensor& sizes,
                              const TargetTensors& targets, const Draw& draw) const;
  // No gradient flows through proposals.
  [[nodiscard]] Proposals propose(const Output& output, const Tensor& sizes, Mode mode) const;

 private:
  RpnOptions options_;
  Conv conv_, cls_, reg_;
};

}  // namespace ktrain
