// Binary cross-entropy of logits with labels 1 and 0; a label of -1 does not count.
//   forward:   loss[0] = sum_i (max(x[i], 0) - x[i] * labels[i] + log(1 + exp(-|x[i]|))) / f
//   backward:  dx[i]   = dloss[0] * (1 / (1 + exp(-x[i])) - labels[i]) / f;  0 where labels[i] = -1
// with f = max(avg_factor[0], 1). avg_factor, loss and dloss have one element. No logit overflows.
// The sum is taken in double in the order of i. Nothing counted: loss 0. Sizes must agree and
// labels be -1, 0 or 1, or Error is thrown. dx may alias x.
#pragma once

#include <cstdint>

#include "kernels/view.h"

namespace ktrain::cpu {

template <class T>
void bce_forward(Span<const T> x, Span<const std::int32_t> labels, Span<const T> avg_factor,
                 Span<T> loss);
template <class T>
void bce_backward(Span<const T> x, Span<const std::int32_t> labels, Span<const T> avg_factor,
                  Span<const T> dloss, Span<T> dx);

}  // namespace ktrain::cpu
