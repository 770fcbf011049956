// Sums with the vectors of kernels/gram.h, one of which may be what a sum leaves when the others
// are taken out of it:
//   mixed_sum:       out[e] = sum_k weights[k] * y_k[e]  (+ extra_weight * extra[e])
//   change_products: out[k] = sum_e y_k[e] * (now[e] - before[e])
// in the order of k; a weight of 0 leaves its vector unread, as an extra_weight of 0 does `extra`.
// change_products takes products and sums in double, element by element on the CPU, by runs that
// the size alone decides on CUDA; `before` and `now` are as long as the vectors, of which at least
// one is not empty, or there is nothing to add: zeros. The list of vectors, `mix` and `weights` lie
// on the host, all else on the device. Wrong sizes throw Error. `out` overlaps no input.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/sum_runs.h"
#include "kernels/gram.h"
#include "kernels/queue.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {

template <class T>
struct MixWeights {
  Span<const double> weights;  // one per vector
  Span<const T> extra = {};    // may be empty
  double extra_weight = 0;
};

// What the CPU needs, too, so that the call is one: nothing of it there.
[[nodiscard]] inline std::int64_t change_products_scratch_bytes(std::int64_t vectors,
                                                                std::int64_t size) {
  Scratch scratch;
  (void)scratch.take<double>(vectors * sum_runs(size));
  return scratch.bytes();
}

namespace cpu {

template <class T>
void mixed_sum(Span<const Span<const T>> vectors, const Remainder& remainder,
               const MixWeights<T>& mix, Span<T> out);
template <class T>
void change_products(Span<const Span<const T>> vectors, const Remainder& remainder,
                     Span<const T> before, Span<const T> now, Span<double> out,
                     Span<std::byte> scratch);

}  // namespace cpu

namespace cuda {

void mixed_sum(CudaStream stream, Span<const Span<const float>> vectors, const Remainder& remainder,
               const MixWeights<float>& mix, Span<float> out);
void change_products(CudaStream stream, Span<const Span<const float>> vectors,
                     const Remainder& remainder, Span<const float> before, Span<const float> now,
                     Span<double> out, Span<std::byte> scratch);

}  // namespace cuda
}  // namespace ktrain
