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
  for (std::size_t i = 0; i < fused.size(); ++i) {
    const Tensor &v = visible[i], &t = thermal[i];
    if (kind_ == FusionKind::kAdd) {
      fused[i] = add(v, t);
      continue;
    }
    fused[i] = convs_[i](v, t);
    if (kind_ == FusionKind::kGated) fused[i] = gate(fused[i], v, t);
  }
  return fused;
}

}  // namespace ktrain
