// Work on rows of channels: sums by column, several at once, and maps whose constants are by
// column. A block takes a band of rows; `width` threads side by side take four columns each, the
// others further rows. A thread reads what its columns have in common once. Sums are taken in
// double and in an order that depends on the shape alone: down the rows of a thread, over the
// threads of a block in a tree, then over the bands.
#pragma once

#include <algorithm>

#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/vector_io.cuh"
#include "kernels/view.h"

namespace ktrain {

constexpr int kBandThreads = 256;
constexpr int kBandLanes = 8;  // threads side by side at most: 128 bytes of a row

// `groups` matrices of rows x cols, one after the other.
struct ColumnPlan {
  std::int64_t groups, rows, cols;
  std::int64_t band;  // rows of a band
  int bands, strips;  // of a group; blocks side by side
  int width;          // threads side by side, a power of two

  [[nodiscard]] std::int64_t blocks() const { return groups * bands * strips; }
};

// Bands of `least` rows or more, at most `most` of them. No rows are one band.
inline ColumnPlan plan_columns(std::int64_t groups, std::int64_t rows, std::int64_t cols,
                               std::int64_t least, std::int64_t most) {
  ColumnPlan plan{};
  plan.groups = groups;
  plan.rows = rows;
  plan.cols = cols;
  plan.band = std::max(least, num_blocks(rows, most));
  plan.bands = static_cast<int>(std::max<std::int64_t>(1, num_blocks(rows, plan.band)));
  plan.width = 1;
  while (plan.width * 4 < cols && plan.width < kBandLanes) plan.width *= 2;
  plan.strips = static_cast<int>(num_blocks(cols, plan.width * 4));
  return plan;
}

// What a thread has to do: rows from `row` to `end` in steps of `step`, of them the columns from
// `first`, `count` (four or fewer, none when 0 or below) of them.
struct ColumnPlace {
  int strip, band, group;
  std::int64_t first, count;
  std::int64_t row, end;
  int step;

  __device__ explicit ColumnPlace(const ColumnPlan& plan) {
    const int block = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
    strip = block % plan.strips;
    band = block / plan.strips % plan.bands;
    group = block / plan.strips / plan.bands;
    first = (std::int64_t{strip} * plan.width + thread % plan.width) * 4;
    count = plan.cols - first;
    step = kBandThreads / plan.width;
    const std::int64_t begin = group * plan.rows;
    row = begin + band * plan.band + thread / plan.width;
    end = begin + (band + 1 < plan.bands ? (band + 1) * plan.band : plan.rows);
  }
};

// op.lane(place) is what a thread reads once, op.apply(lane, place, row) does four columns of a
// row.
template <class Op>
__global__ void __launch_bounds__(kBandThreads) band_map_kernel(Op op, ColumnPlan plan) {
  const ColumnPlace at(plan);
  if (at.count <= 0) return;
  const auto lane = op.lane(at);
#pragma unroll 4
  for (std::int64_t row = at.row; row < at.end; row += at.step) op.apply(lane, at, row);
}

// Rows of all groups, in bands of some rows per thread.
template <class Op>
void map_bands(const char* name, CudaStream stream, const Op& op, std::int64_t groups,
               std::int64_t rows, std::int64_t cols) {
  if (groups == 0 || rows == 0 || cols == 0) return;
  const ColumnPlan plan = plan_columns(groups, rows, cols, 8 * kBandThreads / kBandLanes, rows);
  launch(name, band_map_kernel<Op>, plan.blocks(), kBandThreads, stream, op, plan);
}

// Partial sums that sum_columns() writes.
inline std::int64_t band_partials(const ColumnPlan& plan, int sums) {
  return plan.groups * plan.bands * sums * plan.cols;
}

// term.lane(place) as above; term.add(lane, place, row, total) adds what a row gives to
// total[sum][k] of column place.first + k; what stands past place.count does not matter but is
// added.
template <class Term>
__global__ void __launch_bounds__(kBandThreads)
    band_sums_kernel(Term term, ColumnPlan plan, double* partials) {
  constexpr int kSums = Term::kSums;
  double* const sums = shared_array<double, kBandThreads * 4 * kSums, struct BandSums>();
  const ColumnPlace at(plan);
  const int thread = static_cast<int>(threadIdx.x);
  double total[kSums][4] = {};
  const auto lane = term.lane(at);
#pragma unroll 4
  for (std::int64_t row = at.row; row < at.end; row += at.step) term.add(lane, at, row, total);
#pragma unroll
  for (int k = 0; k < kSums * 4; ++k) sums[k * kBandThreads + thread] = total[k / 4][k % 4];
  for (int half = kBandThreads / 2; half >= plan.width; half /= 2) {
    __syncthreads();
    if (thread < half) {
#pragma unroll
      for (int k = 0; k < kSums * 4; ++k)
        sums[k * kBandThreads + thread] += sums[k * kBandThreads + thread + half];
    }
  }
  // The sums that are read here were added by this thread itself.
  if (thread >= plan.width) return;
  double* const out =
      partials + (std::int64_t{at.group} * plan.bands + at.band) * kSums * plan.cols;
#pragma unroll
  for (int k = 0; k < kSums * 4; ++k)
    if (k % 4 < at.count)
      out[k / 4 * plan.cols + at.first + k % 4] = sums[k * kBandThreads + thread];
}

constexpr int kFinishColumns = 32;
constexpr int kFinishLanes = 8;  // threads that share the bands of a column

// finish(group, column, total) gets the sums of a column.
template <class Finish>
__global__ void __launch_bounds__(kFinishColumns* kFinishLanes)
    finish_bands_kernel(Finish finish, const double* partials, std::int64_t cols, int bands,
                        int strips) {
  constexpr int kSums = Finish::kSums;
  constexpr int kThreads = kFinishColumns * kFinishLanes;
  double* const sums = shared_array<double, kThreads * kSums, struct FinishSums>();
  const int thread = static_cast<int>(threadIdx.x), lane = thread / kFinishColumns;
  const int group = static_cast<int>(blockIdx.x) / strips;
  const std::int64_t column = std::int64_t{static_cast<int>(blockIdx.x) % strips} * kFinishColumns +
                              thread % kFinishColumns;
  double total[kSums] = {};
  if (column < cols) {
    const double* const from = partials + std::int64_t{group} * bands * kSums * cols + column;
#pragma unroll 4
    for (int band = lane; band < bands; band += kFinishLanes) {
#pragma unroll
      for (int s = 0; s < kSums; ++s) total[s] += from[(std::int64_t{band} * kSums + s) * cols];
    }
  }
#pragma unroll
  for (int s = 0; s < kSums; ++s) sums[s * kThreads + thread] = total[s];
  __syncthreads();
  if (lane > 0 || column >= cols) return;
#pragma unroll
  for (int s = 0; s < kSums; ++s)
    for (int l = 1; l < kFinishLanes; ++l)
      total[s] += sums[s * kThreads + l * kFinishColumns + thread];
  finish(group, column, total);
}

template <class Finish>
void finish_bands(const char* name, CudaStream stream, const Finish& finish, const double* partials,
                  std::int64_t groups, std::int64_t cols, int bands) {
  const std::int64_t strips = num_blocks(cols, kFinishColumns);
  launch(name, finish_bands_kernel<Finish>, groups * strips, kFinishColumns * kFinishLanes, stream,
         finish, partials, cols, bands, strips);
}

// Both kernels; without rows the second alone, which gets sums of 0. Nothing happens without
// columns or groups.
template <class Term, class Finish>
void sum_columns(const char* name, CudaStream stream, const Term& term, const Finish& finish,
                 const ColumnPlan& plan, Span<double> partials) {
  static_assert(Term::kSums == Finish::kSums);
  if (plan.groups == 0 || plan.cols == 0) return;
  KT_CHECK(partials.size >= band_partials(plan, Term::kSums),
           "{}: room for {} partial sums, wanted {}", name, partials.size,
           band_partials(plan, Term::kSums));
  if (plan.rows > 0)
    launch(name, band_sums_kernel<Term>, plan.blocks(), kBandThreads, stream, term, plan,
           partials.data);
  finish_bands(name, stream, finish, partials.data, plan.groups, plan.cols,
               plan.rows > 0 ? plan.bands : 0);
}

}  // namespace ktrain
