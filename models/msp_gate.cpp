#include "models/msp_gate.h"

#include <string>

#include "runtime/ops_alignment.h"

namespace ktrain {

MspGate::MspGate(const Maker& maker, std::int64_t channels) {
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const Maker projection = maker / std::to_string(i);
    weights_[i] = projection.weight("weight", {1, 1, 1, channels}, normal(0.01));
    biases_[i] = projection.vector("bias", 1, 0, ParameterKind::kBias);
  }
  alpha_ = maker.vector("alpha", 1, 0.5, ParameterKind::kBias);
}

Pyramid MspGate::operator()(const Pyramid& fused) const {
  const Tensor both = add(weights_[0], weights_[1]);
  const Tensor w = reshape(both, {both.size()}), b = add(biases_[0], biases_[1]);
  Pyramid gated;
  for (std::size_t level = 0; level < fused.size(); ++level)
    gated[level] = pixel_gate(fused[level], w, b, alpha_);
  return gated;
}

}  // namespace ktrain
