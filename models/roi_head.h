// RoI head (Girshick 2015, on a pyramid): RoIAlign, two fully connected layers, a class and a box
// for every region, with mmdetection's assignment, sampling and normalisation of losses.
#pragma once

#include <cstdint>

#include "models/rpn.h"

namespace ktrain {

struct RoiOptions {
  std::int64_t samples = 512;  // regions of an image that a step trains on
  std::int64_t fc_channels = 1024;
  std::int64_t pool = 7;  // bins along each side of a region
  double positive_share = 0.25, positive_iou = 0.5;
  double ignore_iof = 0.5;
  // Of predictions.
  double score_threshold = 0.05, nms = 0.5;
  std::int64_t max_detections = 100;
};

// Parameters: bbox_head.shared_fcs.{0,1}, bbox_head.fc_cls, bbox_head.fc_reg. Classes are
// 0 .. num_classes - 1 and the background is the last logit.
class RoiHead {
 public:
  RoiHead(const Maker& maker, std::int64_t channels, std::int64_t num_classes,
          const RoiOptions& options);

  struct Losses {
    Tensor cls, bbox;
    Tensor pooled;          // its features: rois x pool x pool x channels
    Tensor logits, deltas;  // what the losses are computed from, a row per region
  };
  // What is trained on. Ground truth boxes join the proposals. Images without a box train the
  // classifier.
  [[nodiscard]] RoiTrainingSet sample(const Proposals& proposals, const TargetTensors& targets,
                                      const Draw& draw) const;
  [[nodiscard]] Losses losses(const Pyramid& fused, const RoiTrainingSet& set) const;
  [[nodiscard]] DetectionTensors predict(const Pyramid& fused, const Proposals& proposals,
                                         const Tensor& sizes, const Tensor& scales) const;

 private:
  struct Output {
    Tensor logits, deltas;  // rois x (classes + 1), rois x (4 * classes)
  };
  [[nodiscard]] Tensor pool(const Pyramid& fused, const Tensor& rois, const Tensor& image) const;
  [[nodiscard]] Output head(const Tensor& pooled) const;

  RoiOptions options_;
  std::int64_t num_classes_;
  Linear fc0_, fc1_, cls_, reg_;
};

}  // namespace ktrain
