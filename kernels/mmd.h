// Squared maximum mean discrepancy of two sets of rows (Gretton et al. 2012), the unbiased
// estimate, under the mean of S Gaussian kernels: k(a,b) = 1/S sum_s exp(-|a-b|^2 / (2 sigma_s^2)).
//   mmd_bandwidths   sigma[s] = kMmdFactors[s] * (the median of all distances |a-b| between two
//                    different rows of both sets together; of an even number of them the mean of
//                    the middle two)
//   mmd_forward      loss[0] = sum_{i!=j} k(x_i,x_j) / (n (n-1)) + sum_{i!=j} k(y_i,y_j) / (m
//   (m-1))
//                              - 2 sum_{ij} k(x_i,y_j) / (n m)
//   mmd_backward     dx, dy: dloss[0] times its derivative, the bandwidths being constants
// It is no distance: it is negative about every other time when both sets are drawn alike, and is
// not clamped. n and m count the rows whose entry in x_rows, y_rows is not negative; the others are
// not read and get 0. With n < 2 or m < 2 there is no estimate: loss 0, derivatives 0. Sums are
// taken in double in the order of the rows. A bandwidth below kMmdLeast counts as that, which makes
// the kernel 1 for equal rows and 0 for others. Wrong sizes throw Error. Outputs must not overlap
// inputs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/view.h"

namespace ktrain {

inline constexpr std::array<double, 5> kMmdFactors = {0.25, 0.5, 1, 2, 4};
inline constexpr double kMmdLeast = 1e-6;

template <class T>
struct MmdSets {
  Rows<const T> x, y;                       // as many columns in both
  Span<const std::int32_t> x_rows, y_rows;  // a row each; negative for one that does not count
};

namespace cpu {

// `sigma` has as many elements as kMmdFactors.
template <class T>
void mmd_bandwidths(const MmdSets<T>& sets, Span<T> sigma, Span<std::byte> scratch);
template <class T>
void mmd_forward(const MmdSets<T>& sets, Span<const T> sigma, Span<T> loss,
                 Span<std::byte> scratch);
template <class T>
void mmd_backward(const MmdSets<T>& sets, Span<const T> sigma, Span<const T> dloss, Rows<T> dx,
                  Rows<T> dy, Span<std::byte> scratch);
// Of any of the three; `rows` is x.rows + y.rows.
template <class T>
[[nodiscard]] std::int64_t mmd_scratch_bytes(std::int64_t rows);

}  // namespace cpu
}  // namespace ktrain
