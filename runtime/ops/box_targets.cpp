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
  Tensor scratch = scratch_bytes(match, cpu::sample_scratch_bytes(images, rule));
  run_on_cpu(match.queue(), "sample_anchors", [&] {
    cpu::sample_anchors(match.rows<std::int32_t>(), draw_view(draw),
                        set.labels.mutable_rows<std::int32_t>(),
                        set.counts.mutable_rows<std::int32_t>(), bytes_of(scratch), rule);
    const Rows<const std::int32_t> counts = set.counts.mutable_rows<std::int32_t>();
    cpu::rpn_average_factor(counts, set.avg_factor.mutable_span<float>());
  });
  run_on_cpu(match.queue(), "anchor_targets", [&] {
    const Rows<const std::int32_t> labels = set.labels.mutable_rows<std::int32_t>();
    cpu::anchor_targets(anchors.rows<float>(), box_list(targets.boxes), match.rows<std::int32_t>(),
                        labels, set.deltas.mutable_rows<float>(),
                        set.slots.mutable_span<std::int32_t>());
  });
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
  Tensor scratch = scratch_bytes(match, cpu::sample_scratch_bytes(images, sampling.rule));
  run_on_cpu(match.queue(), "sample_rois", [&] {
    const RoiCandidates<float> candidates{box_list(proposals), match.rows<std::int32_t>(),
                                          target_boxes, targets.classes.rows<std::int32_t>()};
    cpu::sample_rois(
        candidates, draw_view(draw),
        {set.rois.mutable_rows<float>(), set.labels.mutable_span<std::int32_t>(),
         set.targets.mutable_span<std::int32_t>(), set.image.mutable_span<std::int32_t>(),
         set.counts.mutable_rows<std::int32_t>()},
        bytes_of(scratch), sampling.rule, sampling.num_classes);
    const Rows<const std::int32_t> counts = set.counts.mutable_rows<std::int32_t>();
    cpu::roi_average_factor(counts, set.avg_factor.mutable_span<float>());
  });
  run_on_cpu(match.queue(), "roi_targets", [&] {
    const auto view = [](const Tensor& x) { return x.span<std::int32_t>(); };
    const Tensor rois = set.rois;
    cpu::roi_targets<float>(
        {rois.rows<float>(), view(set.labels), view(set.targets), view(set.image)}, target_boxes,
        set.deltas.mutable_rows<float>(), set.slots.mutable_span<std::int32_t>(), sampling.coding);
  });
  return set;
}

}  // namespace ktrain
