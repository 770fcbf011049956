// The inner loop of a matrix product: a few rows times a panel two vectors wide, kept in registers.
#pragma once

#include <cstdint>

#include "kernels/cpu/simd.h"

namespace ktrain::cpu {

constexpr std::int64_t kPanel = 2 * simd::Vec::kLanes;
constexpr std::int64_t kLineFloats = 16;
// Rows of one call: with two vectors each and the operands they fill the registers.
constexpr std::int64_t kMicroRows = simd::Vec::kLanes == 16 ? 8 : 4;

// Where an operand's elements are: (row, depth) at data[row * row_step + depth * depth_step].
struct MicroOperand {
  const float* data;
  std::int64_t row_step, depth_step;
};

// c(i, :) = or += sum_d a(i, d) * b(d, :) for i < kRows; b and c are rows of kPanel floats.
// With kAhead the panel behind b, which the next call will read, is asked for on the way.
template <int kRows, bool kAhead>
inline void micro_gemm_rows(MicroOperand a, const float* b, std::int64_t depth, float* c,
                            bool accumulate) {
  using simd::Vec;
  if (accumulate)
    for (std::int64_t at = 0; at < kRows * kPanel; at += kLineFloats) __builtin_prefetch(c + at, 1);
  Vec sums[kRows][2];
  for (int i = 0; i < kRows; ++i) sums[i][0] = sums[i][1] = Vec::all(0);
  for (std::int64_t d = 0; d < depth; ++d) {
    const Vec b0 = Vec::load(b), b1 = Vec::load(b + Vec::kLanes);
    const float* column = a.data + d * a.depth_step;
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const Vec factor = Vec::all(column[i * a.row_step]);
      sums[i][0] = fma(factor, b0, sums[i][0]);
      sums[i][1] = fma(factor, b1, sums[i][1]);
    }
    if constexpr (kAhead) {
      for (std::int64_t line = 0; line < kPanel; line += kLineFloats)
        __builtin_prefetch(b + depth * kPanel + line, 0, 2);
    }
    b += kPanel;
  }
  for (int i = 0; i < kRows; ++i) {
    float* row = c + i * kPanel;
    if (accumulate) {
      sums[i][0] = Vec::load(row) + sums[i][0];
      sums[i][1] = Vec::load(row + Vec::kLanes) + sums[i][1];
    }
    sums[i][0].store(row);
    sums[i][1].store(row + Vec::kLanes);
  }
}

// The same for any number of rows; the panel that follows b in memory is brought nearer.
inline void micro_gemm(MicroOperand a, const float* b, std::int64_t rows, std::int64_t depth,
                       float* c, bool accumulate) {
  bool first = true;
  for (; rows >= kMicroRows; rows -= kMicroRows) {
    if (first)
      micro_gemm_rows<kMicroRows, true>(a, b, depth, c, accumulate);
    else
      micro_gemm_rows<kMicroRows, false>(a, b, depth, c, accumulate);
    first = false;
    a.data += kMicroRows * a.row_step;
    c += kMicroRows * kPanel;
  }
  switch (rows) {
    case 7:
      return micro_gemm_rows<7, false>(a, b, depth, c, accumulate);
    case 6:
      return micro_gemm_rows<6, false>(a, b, depth, c, accumulate);
    case 5:
      return micro_gemm_rows<5, false>(a, b, depth, c, accumulate);
    case 4:
      return micro_gemm_rows<4, false>(a, b, depth, c, accumulate);
    case 3:
      return micro_gemm_rows<3, false>(a, b, depth, c, accumulate);
    case 2:
      return micro_gemm_rows<2, false>(a, b, depth, c, accumulate);
    case 1:
      return micro_gemm_rows<1, false>(a, b, depth, c, accumulate);
    default:
      return;
  }
}

}  // namespace ktrain::cpu
