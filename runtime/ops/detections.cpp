#include "kernels/detections.h"

#include "runtime/box_views.h"

namespace ktrain {

DetectionTensors detect(const BoxTensor& rois, const RoiPredictions& predictions,
                        const Tensor& sizes, const Tensor& scales, const DetectionRule& rule) {
  const ContextPtr& context = rois.boxes.context();
  const BoxList<const float> list = box_list(rois);
  DetectionTensors found{{Tensor::empty(context, {list.batch, rule.per_image, 4}),
                          Tensor::empty(context, {list.batch}, DType::kI32)},
                         Tensor::empty(context, {list.batch, rule.per_image}),
                         Tensor::empty(context, {list.batch, rule.per_image}, DType::kI32)};
  const std::int64_t classes = predictions.deltas.size(-1) / 4;
  Tensor scratch = scratch_bytes(
      rois.boxes,
      on_device(rois.boxes,
                cpu::detect_scratch_bytes<float>(list.batch, classes, list.capacity, rule),
                cuda::detect_scratch_bytes(list.batch, classes, list.capacity, rule)));
  const RoiHeadOutput<float> output{list, predictions.probabilities.rows<float>(),
                                    predictions.deltas.rows<float>(), sizes.rows<std::int32_t>(),
                                    scales.rows<float>()};
  const Detections<float> detections{
      found.boxes.boxes.mutable_rows<float>(), found.scores.mutable_rows<float>(),
      found.labels.mutable_rows<std::int32_t>(), found.boxes.counts.mutable_span<std::int32_t>()};
  KT_RUN(sizes.queue(), detect, output, detections, bytes_of(scratch), rule);
  return found;
}

}  // namespace ktrain
