#include "kernels/proposals.h"

#include "runtime/box_views.h"

namespace ktrain {

Proposals propose(const AnchorGrid& grid, const Tensor& anchors, const Tensor& logits,
                  const Tensor& deltas, const Tensor& sizes, const ProposalRule& rule) {
  const ContextPtr& context = logits.context();
  const std::int64_t images = logits.size(0);
  const auto levels = static_cast<std::int64_t>(grid.levels.size());
  Proposals found{{Tensor::empty(context, {images, rule.per_image, 4}),
                   Tensor::empty(context, {images}, DType::kI32)},
                  Tensor::empty(context, {images, rule.per_image})};
  Tensor scratch = scratch_bytes(
      logits, on_device(logits, cpu::propose_scratch_bytes<float>(images, levels, rule),
                        cuda::propose_scratch_bytes(images, levels, rule)));
  const Span<const float> flat = deltas.span<float>();
  const RpnOutput<float> output{logits.rows<float>(),
                                {flat.data, flat.size / 4, 4},
                                anchors.rows<float>(),
                                {grid.levels.data(), levels},
                                sizes.rows<std::int32_t>()};
  const ScoredBoxes<float> proposals{found.boxes.boxes.mutable_rows<float>(),
                                     found.scores.mutable_rows<float>(),
                                     found.boxes.counts.mutable_span<std::int32_t>()};
  KT_RUN(logits.queue(), propose, output, proposals, bytes_of(scratch), rule);
  return found;
}

Tensor image_of_rows(const BoxTensor& boxes) {
  const BoxList<const float> list = box_list(boxes);
  Tensor image = Tensor::empty(boxes.boxes.context(), {list.batch * list.capacity}, DType::kI32);
  KT_RUN(image.queue(), image_of_rows, boxes.counts.span<std::int32_t>(),
         image.mutable_span<std::int32_t>());
  return image;
}

}  // namespace ktrain
