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
// taken in double, in the order of the rows (the loss on CUDA in one that depends on their number
// alone). A bandwidth below kMmdLeast counts as that, which makes
// the kernel 1 for equal rows and 0 for others. Wrong sizes throw Error. Outputs must not overlap
// inputs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/queue.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {

inline constexpr std::array<double, 5> kMmdFactors = {0.25, 0.5, 1, 2, 4};
inline constexpr double kMmdLeast = 1e-6;

template <class T>
struct MmdSets {
  Rows<const T> x, y;                       // as many columns in both
  Span<const std::int32_t> x_rows, y_rows;  // a row each; negative for one that does not count
};

// What CUDA keeps in scratch; `rows` is x.rows + y.rows.
struct MmdPieces {
  Span<std::int32_t> rows, place, counts;
  Span<double> squared;  // by pair
  Span<float> distance;
  Span<double> sums;

  MmdPieces(Scratch& scratch, std::int64_t rows_)
      : rows(scratch.take<std::int32_t>(rows_)),
        place(scratch.take<std::int32_t>(rows_)),
        counts(scratch.take<std::int32_t>(2)),
        squared(scratch.take<double>(rows_ * rows_)),
        distance(scratch.take<float>(rows_ * rows_)),
        sums(scratch.take<double>(rows_)) {}
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

namespace cuda {

void mmd_bandwidths(CudaStream stream, const MmdSets<float>& sets, Span<float> sigma,
                    Span<std::byte> scratch);
void mmd_forward(CudaStream stream, const MmdSets<float>& sets, Span<const float> sigma,
                 Span<float> loss, Span<std::byte> scratch);
void mmd_backward(CudaStream stream, const MmdSets<float>& sets, Span<const float> sigma,
                  Span<const float> dloss, Rows<float> dx, Rows<float> dy, Span<std::byte> scratch);
[[nodiscard]] inline std::int64_t mmd_scratch_bytes(std::int64_t rows) {
  Scratch scratch;
  (void)MmdPieces(scratch, rows);
  return scratch.bytes();
}

}  // namespace cuda
}  // namespace ktrain
