#include "kernels/sample.h"
#include "kernels/targets.h"
#include "runtime/box_views.h"

namespace ktrain {
namespace {

Tensor integers(const Tensor& like, const Shape& shape) {
  return Tensor::empty(like.context(), shape, DType::kI32);
}

}  // namespace

AnchorTrainingSet anchor_training_set(const Tensor& anchors, const Tensor& match,
                                      const TargetTensors& targets, const Draw& draw,
                                      const SampleRule& rule) {
  const std::int64_t images = match.size(0), rows = match.size();
  AnchorTrainingSet set{Tensor::empty_like(match), Tensor::empty(match.context(), {rows, 4}),
                        integers(match, {rows}), integers(match, {images, 2}),
                        Tensor::empty(match.context(), {1})};
  Tensor scratch = scratch_bytes(match, sample_scratch_bytes(images, rule));
  const Rows<std::int32_t> labels = set.labels.mutable_rows<std::int32_t>();
  const Rows<std::int32_t> counts = set.counts.mutable_rows<std::int32_t>();
  KT_RUN(match.queue(), sample_anchors, match.rows<std::int32_t>(), draw_view(draw), labels, counts,
         bytes_of(scratch), rule);
  KT_RUN(match.queue(), rpn_average_factor, counts, set.avg_factor.mutable_span<float>());
  KT_RUN(match.queue(), anchor_targets, anchors.rows<float>(), box_list(targets.boxes),
         match.rows<std::int32_t>(), labels, set.deltas.mutable_rows<float>(),
         set.slots.mutable_span<std::int32_t>());
  return set;
}

RoiTrainingSet roi_training_set(const BoxTensor& proposals, const Tensor& match,
                                const TargetTensors& targets, const Draw& draw,
                                const RoiSampling& sampling) {
  const std::int64_t images = match.size(0), rows = images * sampling.rule.size;
  RoiTrainingSet set{Tensor::empty(match.context(), {rows, 4}),
                     integers(match, {rows}),
                     integers(match, {rows}),
                     integers(match, {rows}),
                     Tensor::empty(match.context(), {rows, 4}),
                     integers(match, {rows}),
                     integers(match, {images, 2}),
                     Tensor::empty(match.context(), {1})};
  const BoxList<const float> target_boxes = box_list(targets.boxes);
  Tensor scratch = scratch_bytes(match, sample_scratch_bytes(images, sampling.rule));
  const RoiCandidates<float> candidates{box_list(proposals), match.rows<std::int32_t>(),
                                        target_boxes, targets.classes.rows<std::int32_t>()};
  const RoiSamples<float> samples{
      set.rois.mutable_rows<float>(), set.labels.mutable_span<std::int32_t>(),
      set.targets.mutable_span<std::int32_t>(), set.image.mutable_span<std::int32_t>(),
      set.counts.mutable_rows<std::int32_t>()};
  KT_RUN(match.queue(), sample_rois, candidates, draw_view(draw), samples, bytes_of(scratch),
         sampling.rule, sampling.num_classes);
  KT_RUN(match.queue(), roi_average_factor, samples.counts, set.avg_factor.mutable_span<float>());
  const RoiMatches<float> matches{samples.rois, samples.labels, samples.targets, samples.image};
  KT_RUN(match.queue(), roi_targets, matches, target_boxes, set.deltas.mutable_rows<float>(),
         set.slots.mutable_span<std::int32_t>(), sampling.coding);
  return set;
}

}  // namespace ktrain
