// The global L2 norm of many gradients, and the factor that clips them to it; as
// torch.nn.utils.clip_grad_norm_.
//   norm[0]   = sqrt(sum over all elements of all spans of x^2)
//   factor[0] = min(max_norm / (norm[0] + 1e-6), 1)
// The factor is left in memory for the optimiser (gradient_scale). A NaN or infinite element makes
// the norm NaN or infinite and the factor NaN or 0. The sum is taken in double, chunk by chunk in
// an order that only the sizes decide. No element: norm 0, factor 1. `gradients` itself lies on the
// host, what it points to on the device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/queue.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {

// Elements that CUDA adds up at once. (The CPU takes more, and fits into the same scratch.)
inline constexpr std::int64_t kClipChunk = 1 << 14;

template <class T>
[[nodiscard]] std::int64_t clip_chunks(Span<const Span<const T>> gradients) {
  std::int64_t chunks = 0;
  for (std::int64_t k = 0; k < gradients.size; ++k)
    chunks += (gradients[k].size + kClipChunk - 1) / kClipChunk;
  return chunks;
}

template <class T>
[[nodiscard]] std::int64_t clip_scratch_bytes(Span<const Span<const T>> gradients) {
  Scratch scratch;
  (void)scratch.take<double>(clip_chunks(gradients));
  return scratch.bytes();
}

namespace cpu {

// norm and factor have one element. max_norm > 0; infinity measures without clipping. Throws Error
// otherwise.
template <class T>
void clip_factor(Span<const Span<const T>> gradients, Span<T> norm, Span<T> factor,
                 Span<std::byte> scratch, double max_norm);

}  // namespace cpu

namespace cuda {

void clip_factor(CudaStream stream, Span<const Span<const float>> gradients, Span<float> norm,
                 Span<float> factor, Span<std::byte> scratch, double max_norm);

}  // namespace cuda
}  // namespace ktrain
