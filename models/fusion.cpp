#include "models/fusion.h"

namespace ktrain {

Fusion::Fusion(const Maker& maker, FusionKind kind, std::int64_t channels) : kind_(kind) {
  if (kind == FusionKind::kAdd) return;
  const ConvShape shape{2 * channels, channels, 1, 1};
  for (std::size_t i = 0; i < kPyramidLevels; ++i)
    convs_.emplace_back(maker / std::to_string(i), shape,
                        kind == FusionKind::kConcat ? identity(0.5) : constant(0));
}

Pyramid Fusion::operator()(const Pyramid& visible, const Pyramid& thermal) const {
  Pyramid fused;
  if (kind_ == FusionKind::kAdd) {
    for (std::size_t i = 0; i < fused.size(); ++i) fused[i] = add(visible[i], thermal[i]);
    return fused;
  }
  std::vector<const Conv*> convs;
  for (const Conv& conv : convs_) convs.push_back(&conv);
  const std::vector<Tensor> levels =
      Conv::each(convs, {visible.begin(), visible.end()}, {thermal.begin(), thermal.end()});
  for (std::size_t i = 0; i < fused.size(); ++i)
    fused[i] = kind_ == FusionKind::kGated ? gate(levels[i], visible[i], thermal[i]) : levels[i];
  return fused;
}

}  // namespace ktrain
