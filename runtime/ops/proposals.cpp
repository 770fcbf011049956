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
  Tensor scratch = scratch_bytes(logits, cpu::propose_scratch_bytes<float>(images, levels, rule));
  run_on_cpu(logits.queue(), "propose", [&] {
    const Span<const float> flat = deltas.span<float>();
    cpu::propose<float>(
        {logits.rows<float>(),
         {flat.data, flat.size / 4, 4},
         anchors.rows<float>(),
         {grid.levels.data(), levels},
         sizes.rows<std::int32_t>()},
        {found.boxes.boxes.mutable_rows<float>(), found.scores.mutable_rows<float>(),
         found.boxes.counts.mutable_span<std::int32_t>()},
        bytes_of(scratch), rule);
  });
  return found;
}

Tensor image_of_rows(const BoxTensor& boxes) {
  const BoxList<const float> list = box_list(boxes);
  Tensor image = Tensor::empty(boxes.boxes.context(), {list.batch * list.capacity}, DType::kI32);
  run_on_cpu(image.queue(), "image_of_rows", [&] {
    const Span<std::int32_t> out = image.mutable_span<std::int32_t>();
    for (std::int64_t i = 0; i < out.size; ++i) {
      const std::int64_t n = i / list.capacity;
      out[i] = i % list.capacity < list.counts[n] ? static_cast<std::int32_t>(n) : -1;
    }
  });
  return image;
}

}  // namespace ktrain
