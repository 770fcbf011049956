#include "kernels/assign.h"

#include "runtime/box_views.h"

namespace ktrain {
namespace {

Tensor assign(const Tensor& like, const AssignInput<float>& input, std::int64_t images,
              const AssignRule& rule) {
  const std::int64_t candidates = input.boxes.capacity;
  Tensor match = Tensor::empty(like.context(), {images, candidates}, DType::kI32);
  Tensor overlap = workspace(like, images * candidates);
  Tensor scratch =
      scratch_bytes(like, assign_scratch_bytes<float>(images, candidates, input.targets.capacity));
  const Rows<float> best{overlap.mutable_span<float>().data, images, candidates};
  KT_RUN(like.queue(), assign, input, match.mutable_rows<std::int32_t>(), best, bytes_of(scratch),
         rule);
  return match;
}

}  // namespace

Tensor assign_anchors(const Tensor& anchors, const Tensor& valid, const TargetTensors& targets,
                      const AssignRule& rule) {
  AssignInput<float> input;
  input.boxes = {anchors.span<float>().data, nullptr, 1, anchors.size(0)};
  if (valid.defined()) input.valid = valid.rows<std::uint8_t>();
  input.targets = box_list(targets.boxes);
  input.ignored = box_list(targets.ignored);
  return assign(anchors, input, targets.boxes.boxes.size(0), rule);
}

Tensor assign_boxes(const BoxTensor& boxes, const TargetTensors& targets, const AssignRule& rule) {
  AssignInput<float> input;
  input.boxes = box_list(boxes);
  input.targets = box_list(targets.boxes);
  input.ignored = box_list(targets.ignored);
  return assign(boxes.boxes, input, boxes.boxes.size(0), rule);
}

}  // namespace ktrain
