// The transforms of Winograd's F(4x4, 3x3): 4x4 outputs of a 3x3 filter from a 6x6 patch by 36
// products instead of 144. Interpolation points 0, +-sqrt(1/2), +-sqrt(2), infinity: the rounding
// error is about half of that of the usual 0, +-1, +-2 and 5 times that of a direct sum
// (after Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution for
// deep neural networks", 2020).
//   y = At [(G w Gt) . (Bt x B)] A        dw = Gt [(A dy At) . (Bt x B)] G
// Each function applies one matrix to the vectors from[0], from[step], ...
#pragma once

#include <cstdint>

#include "kernels/cpu/simd.h"

namespace ktrain::cpu::winograd {

using simd::Vec;

constexpr std::int64_t kPatch = 6;  // side of a patch of inputs
constexpr std::int64_t kTile = 4;   // side of a tile of outputs
constexpr std::int64_t kTaps = 3;   // side of a filter
constexpr std::int64_t kPoints = kPatch * kPatch;
constexpr float kA = 0.70710678F, kB = 1.41421356F;

// 6 -> 6: Bt.
inline void transform_input(const Vec* from, std::int64_t step, Vec* to, std::int64_t to_step) {
  const Vec x0 = from[0], x1 = from[step], x2 = from[2 * step], x3 = from[3 * step],
            x4 = from[4 * step], x5 = from[5 * step];
  const Vec m25 = Vec::all(-2.5F), m2 = Vec::all(-2.0F), mhalf = Vec::all(-0.5F);
  const Vec even_a = fma(m2, x2, x4), odd_a = Vec::all(kA) * fma(m2, x1, x3);
  const Vec even_b = fma(mhalf, x2, x4), odd_b = Vec::all(kB) * fma(mhalf, x1, x3);
  to[0] = fma(m25, x2, x0) + x4;
  to[to_step] = even_a + odd_a;
  to[2 * to_step] = even_a - odd_a;
  to[3 * to_step] = even_b + odd_b;
  to[4 * to_step] = even_b - odd_b;
  to[5 * to_step] = fma(m25, x3, x1) + x5;
}

// 6 -> 4: At.
inline void transform_output(const Vec* from, std::int64_t step, Vec* to, std::int64_t to_step) {
  const Vec sum_a = from[step] + from[2 * step], difference_a = from[step] - from[2 * step];
  const Vec sum_b = from[3 * step] + from[4 * step], difference_b = from[3 * step] - from[4 * step];
  to[0] = from[0] + (sum_a + sum_b);
  to[to_step] = fma(Vec::all(kA), difference_a, Vec::all(kB) * difference_b);
  to[2 * to_step] = fma(Vec::all(0.5F), sum_a, Vec::all(2.0F) * sum_b);
  to[3 * to_step] =
      fma(Vec::all(kA / 2), difference_a, fma(Vec::all(kB * 2), difference_b, from[5 * step]));
}

// 4 -> 6: A, for gradients of outputs.
inline void transform_cotangent(const Vec* from, std::int64_t step, Vec* to, std::int64_t to_step) {
  const Vec y0 = from[0], y1 = from[step], y2 = from[2 * step], y3 = from[3 * step];
  const Vec half = Vec::all(0.5F), two = Vec::all(2.0F);
  const Vec even_a = fma(half, y2, y0), odd_a = Vec::all(kA) * fma(half, y3, y1);
  const Vec even_b = fma(two, y2, y0), odd_b = Vec::all(kB) * fma(two, y3, y1);
  to[0] = y0;
  to[to_step] = even_a + odd_a;
  to[2 * to_step] = even_a - odd_a;
  to[3 * to_step] = even_b + odd_b;
  to[4 * to_step] = even_b - odd_b;
  to[5 * to_step] = y3;
}

// 3 -> 6: G.
inline void transform_filter(const Vec* from, std::int64_t step, Vec* to, std::int64_t to_step) {
  const Vec w0 = from[0], w1 = from[step], w2 = from[2 * step];
  const Vec even_a = fma(Vec::all(-1.0F / 3), w2, Vec::all(-2.0F / 3) * w0);
  const Vec odd_a = Vec::all(-2.0F / 3 * kA) * w1;
  const Vec even_b = fma(Vec::all(1.0F / 3), w2, Vec::all(1.0F / 6) * w0);
  const Vec odd_b = Vec::all(kB / 6) * w1;
  to[0] = w0;
  to[to_step] = even_a + odd_a;
  to[2 * to_step] = even_a - odd_a;
  to[3 * to_step] = even_b + odd_b;
  to[4 * to_step] = even_b - odd_b;
  to[5 * to_step] = w2;
}

// 6 -> 3: Gt, for gradients of filters.
inline void transform_filter_gradient(const Vec* from, std::int64_t step, Vec* to,
                                      std::int64_t to_step) {
  const Vec sum_a = from[step] + from[2 * step], difference_a = from[step] - from[2 * step];
  const Vec sum_b = from[3 * step] + from[4 * step], difference_b = from[3 * step] - from[4 * step];
  to[0] = fma(Vec::all(-2.0F / 3), sum_a, fma(Vec::all(1.0F / 6), sum_b, from[0]));
  to[to_step] = fma(Vec::all(-2.0F / 3 * kA), difference_a, Vec::all(kB / 6) * difference_b);
  to[2 * to_step] = fma(Vec::all(1.0F / 3), sum_b - sum_a, from[5 * step]);
}

// Applies a transform of `kIn` to `kOut` values to both axes of a square of vectors.
template <std::int64_t kIn, std::int64_t kOut, class Transform>
void transform_square(const Vec* from, Vec* to, Transform&& transform) {
  Vec rows[kOut * kIn];
  for (std::int64_t i = 0; i < kIn; ++i) transform(from + i, kIn, rows + i, kIn);
  for (std::int64_t i = 0; i < kOut; ++i) transform(rows + i * kIn, 1, to + i * kOut, 1);
}

}  // namespace ktrain::cpu::winograd
