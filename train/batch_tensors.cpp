#include "train/batch_tensors.h"

#include "kernels/check.h"

namespace ktrain {

BatchTensors::BatchTensors(const ContextPtr& context, std::int64_t batch, Size padded,
                           std::int64_t max_boxes)
    : sizes_(static_cast<std::size_t>(2 * batch)),
      counters_(sizes_.size()),
      identity_(static_cast<std::size_t>(3 * batch)),
      scales_(sizes_.size()) {
  const MemoryUseScope use(MemoryUse::kBatch);
  const Shape image = {batch, padded.height, padded.width, 3};
  const auto boxes = [&] {
    return BoxTensor{Tensor::zeros(context, {batch, max_boxes, 4}),
                     Tensor::zeros(context, {batch}, DType::kI32)};
  };
  input_.visible = Tensor::zeros(context, image, DType::kU8);
  input_.thermal = Tensor::zeros(context, image, DType::kU8);
  input_.sizes = Tensor::zeros(context, {batch, 2}, DType::kI32);
  input_.scales = Tensor::zeros(context, {batch, 2});
  input_.targets.boxes = boxes();
  input_.targets.classes = Tensor::zeros(context, {batch, max_boxes}, DType::kI32);
  input_.targets.ignored = boxes();
  input_.counters = Tensor::zeros(context, {batch, 2}, DType::kI32);
  input_.identity = Tensor::zeros(context, {batch, 3}, DType::kI32);
  const TargetTensors& targets = input_.targets;
  for (const Tensor& tensor : {input_.visible, input_.thermal, input_.sizes, input_.scales,
                               targets.boxes.boxes, targets.boxes.counts, targets.ignored.boxes,
                               targets.ignored.counts, input_.counters, input_.identity})
    (void)staging_.add(tensor);
}

void BatchTensors::fill(const PairBatch& batch) {
  KT_CHECK(batch.batch == input_.visible.size(0), "batch tensors: made for {} pairs, given {}",
           input_.visible.size(0), batch.batch);
  for (std::size_t i = 0; i < static_cast<std::size_t>(batch.batch); ++i) {
    const bool filled = static_cast<int>(i) < batch.count;
    sizes_[2 * i] = filled ? batch.sizes[i].height : batch.height;
    sizes_[2 * i + 1] = filled ? batch.sizes[i].width : batch.width;
    scales_[2 * i] = filled ? batch.scale_x[i] : 1.0f;
    scales_[2 * i + 1] = filled ? batch.scale_y[i] : 1.0f;
    counters_[2 * i] = static_cast<std::int32_t>(batch.step);
    identity_[3 * i] = filled ? static_cast<std::int32_t>(batch.indices[i]) : -1;
    identity_[3 * i + 1] = filled && !batch.groups.empty() ? batch.groups[i] : -1;
    identity_[3 * i + 2] = filled && !batch.frames.empty() ? batch.frames[i] : -1;
    counters_[2 * i + 1] = filled ? static_cast<std::int32_t>(batch.indices[i]) : 0;
  }
  staging_.begin();
  staging_.write<std::uint8_t>(kVisible, batch.visible);
  staging_.write<std::uint8_t>(kThermal, batch.thermal);
  staging_.write<std::int32_t>(kSizes, sizes_);
  staging_.write<float>(kScales, scales_);
  staging_.write<float>(kBoxes, batch.boxes);
  staging_.write<std::int32_t>(kBoxCounts, batch.box_counts);
  staging_.write<float>(kIgnored, batch.ignored);
  staging_.write<std::int32_t>(kIgnoredCounts, batch.ignored_counts);
  staging_.write<std::int32_t>(kCounters, counters_);
  staging_.write<std::int32_t>(kIdentity, identity_);
  staging_.send();
}

}  // namespace ktrain
