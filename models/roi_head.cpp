#include "models/roi_head.h"

#include "runtime/part.h"

namespace ktrain {
namespace {

Linear fully_connected(const Maker& maker, std::int64_t inputs, std::int64_t outputs) {
  return Linear(maker, inputs, outputs, xavier_uniform({outputs, inputs}), Activation::kRelu);
}

}  // namespace

RoiHead::RoiHead(const Maker& maker, std::int64_t channels, std::int64_t num_classes,
                 const RoiOptions& options)
    : options_(options),
      num_classes_(num_classes),
      fc0_(fully_connected(maker / "bbox_head" / "shared_fcs" / "0",
                           options.pool * options.pool * channels, options.fc_channels)),
      fc1_(fully_connected(maker / "bbox_head" / "shared_fcs" / "1", options.fc_channels,
                           options.fc_channels)),
      cls_(maker / "bbox_head" / "fc_cls", options.fc_channels, num_classes + 1, normal(0.01),
           Activation::kNone, OutputType::kFloat),
      reg_(maker / "bbox_head" / "fc_reg", options.fc_channels, 4 * num_classes, normal(0.001),
           Activation::kNone, OutputType::kFloat) {
  KT_CHECK(num_classes >= 1, "RoiHead: {} classes, at least one is wanted", num_classes);
}

Tensor RoiHead::pool(const Pyramid& fused, const Tensor& rois, const Tensor& image) const {
  const PartScope part("roi align");
  return roi_align({fused[0], fused[1], fused[2], fused[3]}, rois, image, options_.pool);
}

RoiHead::Output RoiHead::head(const Tensor& pooled) const {
  const PartScope part("roi head");
  const Tensor flat = reshape(pooled, {pooled.size(0), pooled.size() / pooled.size(0)});
  const Tensor x = fc1_(fc0_(flat));
  return {cls_(x), reg_(x)};
}

RoiTrainingSet RoiHead::sample(const Proposals& proposals, const TargetTensors& targets,
                               const Draw& draw) const {
  const PartScope part("roi targets and losses");
  const AssignRule assignment = {.positive_iou = options_.positive_iou,
                                 .negative_iou = options_.positive_iou,
                                 .low_quality_iou = options_.positive_iou,
                                 .low_quality = false,
                                 .ignore_iof = options_.ignore_iof};
  const Tensor match = assign_boxes(proposals.boxes, targets, assignment);
  return roi_training_set(proposals.boxes, match, targets, draw,
                          {.rule = sample_rule(options_.samples, options_.positive_share),
                           .num_classes = static_cast<std::int32_t>(num_classes_)});
}

RoiHead::Losses RoiHead::losses(const Pyramid& fused, const RoiTrainingSet& set) const {
  const PartScope part("roi targets and losses");
  Losses losses;
  losses.pooled = pool(fused, set.rois, set.image);
  const Output output = head(losses.pooled);
  losses.logits = output.logits;
  losses.deltas = output.deltas;
  losses.cls = cross_entropy(output.logits, set.labels, set.avg_factor);
  losses.bbox = box_loss(output.deltas, set.deltas, set.slots, set.avg_factor);
  return losses;
}

DetectionTensors RoiHead::predict(const Pyramid& fused, const Proposals& proposals,
                                  const Tensor& sizes, const Tensor& scales) const {
  const NoGradScope no_grad;
  const Tensor& boxes = proposals.boxes.boxes;
  const Tensor rois = boxes.viewed({boxes.size(0) * boxes.size(1), 4});
  const Output output = head(pool(fused, rois, image_of_rows(proposals.boxes)));
  return detect(proposals.boxes, {softmax(output.logits), output.deltas}, sizes, scales,
                {.score_threshold = options_.score_threshold,
                 .iou_threshold = options_.nms,
                 .per_image = options_.max_detections});
}

}  // namespace ktrain
