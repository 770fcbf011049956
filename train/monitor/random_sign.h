// A loss with a gradient that has nothing to do with any other: the negative control.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/tensor.h"

namespace ktrain {

// sum over all maps of <r, map>, r = +-1 / sqrt(elements of all maps), signs a function of (seed,
// step, element): its cotangent at the maps has norm 1. `now`: int32, the step stands first in it.
// Shape {1}, differentiable. kernels/random_sign.h.
[[nodiscard]] Tensor random_sign_sum(const std::vector<Tensor>& maps, std::uint64_t seed,
                                     const Tensor& now);

}  // namespace ktrain
