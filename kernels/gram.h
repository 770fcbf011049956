// Dot products of several vectors of one size, all of them in one pass, plain and weighted:
//   raw[ij]            = sum_e y_i[e] * y_j[e]                                  for i <= j
//   preconditioned[ij] = sum_e y_i[e] * y_j[e] / (sqrt(v[e]) / root_scale + eps)
// as the upper triangle, row by row, of a K x K matrix. y is x but for one entry, which may be what
// a sum leaves when the others are taken out of it:
//   y_r = scale * (x_r - sum_{k != r} mix[k] * x_k)
// so that the gradient of one loss is had from the total's without ever being stored. An empty x_k
// stands for zeros.
//
// Products and the sums of 16 of them are taken in T (on CUDA fused), everything above in double,
// in an order that the size alone decides. No vector: nothing is written. Size 0: zeros. The list
// of vectors and `mix` lie on the host, what the vectors point to and all else on the device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

constexpr std::int64_t kGramVectors = 16;  // at most

// Which vector is the remainder of a sum; index -1 for none.
struct Remainder {
  std::int64_t index = -1;
  double scale = 1;
  Span<const double> mix = {};  // one number per vector; that of the remainder itself is not read
};

// AdamW's second moment before the step: v_hat = v / root_scale^2.
template <class T>
struct SecondMoment {
  Span<const T> v = {};  // empty: nothing preconditioned is asked
  double root_scale = 1;
  double eps = 1e-8;
};

namespace cpu {

// `raw`, and `preconditioned` when v is given, have K (K + 1) / 2 elements. Throws Error for sizes
// that do not fit or more than kGramVectors vectors.
template <class T>
void gram(Span<const Span<const T>> vectors, const Remainder& remainder,
          const SecondMoment<T>& moment, Span<double> raw, Span<double> preconditioned,
          Span<std::byte> scratch);

template <class T>
[[nodiscard]] std::int64_t gram_scratch_bytes(Span<const Span<const T>> vectors);

// The size that the vectors share; 0 when all are empty. Throws Error when they do not agree.
template <class T>
[[nodiscard]] std::int64_t common_size(Span<const Span<const T>> vectors);

// out[0 .. size) = elements [begin, begin + size) of y_k.
template <class T>
void mixed_elements(Span<const Span<const T>> vectors, const Remainder& remainder, std::int64_t k,
                    std::int64_t begin, Span<T> out);

}  // namespace cpu

namespace cuda {

void gram(CudaStream stream, Span<const Span<const float>> vectors, const Remainder& remainder,
          const SecondMoment<float>& moment, Span<double> raw, Span<double> preconditioned,
          Span<std::byte> scratch);
[[nodiscard]] std::int64_t gram_scratch_bytes(Span<const Span<const float>> vectors);
void mixed_elements(CudaStream stream, Span<const Span<const float>> vectors,
                    const Remainder& remainder, std::int64_t k, std::int64_t begin,
                    Span<float> out);

}  // namespace cuda
}  // namespace ktrain
