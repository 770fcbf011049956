// Where the visible and the thermal branch meet, level by level.
//   concat  F = W [V, T] + b          starts as the mean of the two
//   add     F = V + T                 no parameters
//   gated   F = g V + (1 - g) T,  g = sigmoid(W [V, T] + b) per pixel and channel; starts at g =
//   1/2
// Parameters: `0.weight`, `0.bias` ... one 1x1 convolution per level. concat and gated start as a
// detector that a single-stream checkpoint, copied into both branches, already fits.
#pragma once

#include <cstdint>
#include <vector>

#include "models/fpn.h"

namespace ktrain {

enum class FusionKind : std::uint8_t { kConcat, kAdd, kGated };

class Fusion {
 public:
  Fusion(const Maker& maker, FusionKind kind, std::int64_t channels);
  [[nodiscard]] Pyramid operator()(const Pyramid& visible, const Pyramid& thermal) const;

 private:
  FusionKind kind_;
  std::vector<Conv> convs_;
};

}  // namespace ktrain
