#include "kernels/anchors.h"

#include "runtime/ops_detection.h"

namespace ktrain {
namespace {

Span<const PyramidLevel> levels_of(const AnchorGrid& grid) {
  return {grid.levels.data(), static_cast<std::int64_t>(grid.levels.size())};
}

}  // namespace

Tensor make_anchors(const ContextPtr& context, const AnchorGrid& grid) {
  Tensor anchors = Tensor::empty(context, {num_anchors(levels_of(grid)), 4});
  KT_RUN(anchors.queue(), make_anchors, levels_of(grid), grid.shapes,
         anchors.mutable_rows<float>());
  return anchors;
}

Tensor anchor_validity(const AnchorGrid& grid, const Tensor& sizes, std::int64_t multiple) {
  Tensor valid =
      Tensor::empty(sizes.context(), {sizes.size(0), num_anchors(levels_of(grid))}, DType::kU8);
  KT_RUN(sizes.queue(), anchor_validity, levels_of(grid), sizes.rows<std::int32_t>(),
         valid.mutable_rows<std::uint8_t>(), multiple);
  return valid;
}

}  // namespace ktrain
