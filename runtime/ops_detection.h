// Tensors of the detector that carry no gradient: anchors, what a step trains on, proposals and
// detections. Capacities are fixed, how many rows are real stands in memory; the host is told
// nothing. The rules are those of the kernels named.
#pragma once

#include <vector>

#include "kernels/anchors.h"
#include "kernels/assign.h"
#include "kernels/detections.h"
#include "kernels/proposals.h"
#include "kernels/sample.h"
#include "runtime/tensor.h"

namespace ktrain {

// ---- anchors (runtime/ops/anchors.cpp, kernels/anchors.h)

struct AnchorGrid {
  std::vector<PyramidLevel> levels;
  AnchorShapes shapes = {};
};
// anchors x 4
[[nodiscard]] Tensor make_anchors(const ContextPtr& context, const AnchorGrid& grid);
// uint8, images x anchors: 1 where the anchor's cell lies in the image, its sides rounded up to a
// multiple of `multiple`. sizes: int32, images x (height, width).
[[nodiscard]] Tensor anchor_validity(const AnchorGrid& grid, const Tensor& sizes,
                                     std::int64_t multiple);

// ---- what a step trains on (runtime/ops/assign.cpp, box_targets.cpp)

// Boxes of each image, padded to a capacity.
struct BoxTensor {
  Tensor boxes;   // images x capacity x 4
  Tensor counts;  // int32, images
};

struct TargetTensors {
  BoxTensor boxes;
  Tensor classes;     // int32, images x capacity; only roi_training_set reads it
  BoxTensor ignored;  // regions that train nothing; undefined tensors when there are none
};

// int32, images x candidates: the target of each candidate, kNegative or kUnused. `anchors` are
// shared by all images, `valid` may be undefined.
[[nodiscard]] Tensor assign_anchors(const Tensor& anchors, const Tensor& valid,
                                    const TargetTensors& targets, const AssignRule& rule);
[[nodiscard]] Tensor assign_boxes(const BoxTensor& boxes, const TargetTensors& targets,
                                  const AssignRule& rule);

// What a random choice is a function of.
struct Draw {
  RandomKey key;      // see runtime/random.h; its epoch is not used
  Tensor counters;    // int32, images x (epoch or step, sample)
  Tensor order = {};  // int32, images x candidates, or undefined: replaces chance (smallest first)
};

// The labels for bce and the targets for box_loss, a row per anchor of each image.
struct AnchorTrainingSet {
  Tensor labels;      // int32, images x anchors: 1 positive, 0 negative, -1 not chosen
  Tensor deltas;      // (images * anchors) x 4
  Tensor slots;       // int32, images * anchors
  Tensor counts;      // int32, images x (positives, negatives)
  Tensor avg_factor;  // what both losses are divided by, mmdetection's
};
[[nodiscard]] AnchorTrainingSet anchor_training_set(const Tensor& anchors, const Tensor& match,
                                                    const TargetTensors& targets, const Draw& draw,
                                                    const SampleRule& rule);

// The regions that the RoI head trains on, rule.size rows per image: targets among them, positives
// first, padding last. R = images * rule.size.
struct RoiTrainingSet {
  Tensor rois;        // R x 4
  Tensor image;       // int32, R; -1 for padding
  Tensor labels;      // int32, R: class, num_classes for background, -1 for padding
  Tensor targets;     // int32, R: the matched target of the image, -1 for none
  Tensor deltas;      // R x 4, in units of `coding`
  Tensor slots;       // int32, R
  Tensor counts;      // int32, images x (positives, negatives)
  Tensor avg_factor;  // what both losses are divided by: the regions chosen
};
struct RoiSampling {
  SampleRule rule = kRoiSample;
  std::int32_t num_classes = 1;
  BoxCoding coding = kRoiCoding;
};
[[nodiscard]] RoiTrainingSet roi_training_set(const BoxTensor& proposals, const Tensor& match,
                                              const TargetTensors& targets, const Draw& draw,
                                              const RoiSampling& sampling);

// ---- inference (runtime/ops/proposals.cpp, detections.cpp)

struct Proposals {
  BoxTensor boxes;  // images x per_image x 4, best first
  Tensor scores;    // images x per_image
};
// logits: images x anchors; deltas: images x anchors x 4 in any shape of that size; sizes: int32,
// images x (height, width). kernels/proposals.h.
[[nodiscard]] Proposals propose(const AnchorGrid& grid, const Tensor& anchors, const Tensor& logits,
                                const Tensor& deltas, const Tensor& sizes,
                                const ProposalRule& rule);

// The image of each row of boxes, for roi_align: int32, images * capacity; -1 for padding.
[[nodiscard]] Tensor image_of_rows(const BoxTensor& boxes);

struct DetectionTensors {
  BoxTensor boxes;  // images x per_image x 4 in original pixels, best first
  Tensor scores;    // images x per_image
  Tensor labels;    // int32, images x per_image; -1 for padding
};
struct RoiPredictions {
  Tensor probabilities;  // (images * capacity) x (classes + 1)
  Tensor deltas;         // (images * capacity) x (4 * classes)
};
// sizes: int32, images x (height, width); scales: images x (x, y), resized over original side.
// kernels/detections.h.
[[nodiscard]] DetectionTensors detect(const BoxTensor& rois, const RoiPredictions& predictions,
                                      const Tensor& sizes, const Tensor& scales,
                                      const DetectionRule& rule);

}  // namespace ktrain
