// A gate on the fused pyramid, level by level with the same weights:
//   F' = F (1 + sigmoid(alpha) sigmoid(w0 . F + b0 + w1 . F + b1))
// per pixel, so that everything that reads the pyramid (proposals and regions) sees it; losses
// between the streams look at their pyramids before the fusion and do not. The gain lies between 1
// and 1 + sigmoid(alpha); it starts near 1.31, with alpha = 0.5 and small weights. The two
// projections are one in effect: only their sums matter, and they get equal gradients. They are two
// because checkpoints of this module are.
//
// Parameters: 0.weight, 0.bias, 1.weight, 1.bias, alpha.
#pragma once

#include <array>

#include "models/fpn.h"

namespace ktrain {

class MspGate {
 public:
  MspGate(const Maker& maker, std::int64_t channels);
  [[nodiscard]] Pyramid operator()(const Pyramid& fused) const;

 private:
  std::array<Tensor, 2> weights_, biases_;  // channels; 1
  Tensor alpha_;                            // 1
};

}  // namespace ktrain
