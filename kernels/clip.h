// The global L2 norm of many gradients, and the factor that clips them to it; as
// torch.nn.utils.clip_grad_norm_.
//   norm[0]   = sqrt(sum over all elements of all spans of x^2)
//   factor[0] = min(max_norm / (norm[0] + 1e-6), 1)
// The factor is left in memory for the optimiser (gradient_scale). A NaN or infinite element makes
// the norm NaN or infinite and the factor NaN or 0. The sum is taken in double, chunk by chunk in
// an order that only the sizes decide. No element: norm 0, factor 1.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/view.h"

namespace ktrain::cpu {

// norm and factor have one element. max_norm > 0; infinity measures without clipping. Throws Error
// otherwise.
template <class T>
void clip_factor(Span<const Span<const T>> gradients, Span<T> norm, Span<T> factor,
                 Span<std::byte> scratch, double max_norm);

template <class T>
[[nodiscard]] std::int64_t clip_scratch_bytes(Span<const Span<const T>> gradients);

}  // namespace ktrain::cpu
