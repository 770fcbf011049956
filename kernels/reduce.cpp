#include "kernels/reduce.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kMinGrain = 16384;
constexpr std::int64_t kMaxChunks = 1024;
static_assert(kMaxChunks <= kReduceScratch);
// Independent partial sums of the inner loop: what lets it run in vector registers although the
// order of a floating point sum may not be changed by the compiler.
constexpr int kLanes = 32;
constexpr std::int64_t kColumnBlock = 128;

std::int64_t grain_for(std::int64_t size) {
  return std::max(kMinGrain, num_chunks(size, kMaxChunks));
}

void check_scratch(const char* who, Span<double> scratch) {
  KT_CHECK(scratch.size >= kReduceScratch, "{}: scratch has {} elements, wanted {}", who,
           scratch.size, kReduceScratch);
}

template <class T>
void check_one(const char* who, Span<T> y) {
  KT_CHECK(y.size == 1, "{}: the output has {} elements, wanted 1", who, y.size);
}

// total of term(i) over [begin, end): lane l takes every kLanes-th index, lanes are added in pairs.
template <class Term>
double lane_sum(std::int64_t begin, std::int64_t end, Term&& term) {
  double lanes[kLanes] = {};
  std::int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes)
    for (int l = 0; l < kLanes; ++l) lanes[l] += term(i + l);
  for (int l = 0; i < end; ++i, ++l) lanes[l] += term(i);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  return lanes[0];
}

template <class Term>
double chunked_sum(std::int64_t size, Span<double> scratch, Term&& term) {
  const std::int64_t grain = grain_for(size);
  parallel_chunks(size, grain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    scratch.data[chunk] = lane_sum(begin, end, term);
  });
  return lane_sum(0, num_chunks(size, grain), [&](std::int64_t i) { return scratch.data[i]; });
}

}  // namespace

template <class T>
void sum(Span<const T> x, Span<double> scratch, Span<T> y) {
  check_scratch("sum", scratch);
  check_one("sum", y);
  const T* const values = x.data;
  y.data[0] = static_cast<T>(
      chunked_sum(x.size, scratch, [=](std::int64_t i) { return static_cast<double>(values[i]); }));
}

template <class T>
void sum_of_squares(Span<const T> x, Span<double> scratch, Span<T> y) {
  check_scratch("sum_of_squares", scratch);
  check_one("sum_of_squares", y);
  const T* const values = x.data;
  y.data[0] = static_cast<T>(chunked_sum(x.size, scratch, [=](std::int64_t i) {
    const double value = static_cast<double>(values[i]);
    return value * value;
  }));
}

template <class T>
void dot(Span<const T> a, Span<const T> b, Span<double> scratch, Span<T> y) {
  KT_CHECK(a.size == b.size, "dot: a has {} elements, b {}", a.size, b.size);
  check_scratch("dot", scratch);
  check_one("dot", y);
  const T *const left = a.data, *const right = b.data;
  y.data[0] = static_cast<T>(chunked_sum(a.size, scratch, [=](std::int64_t i) {
    return static_cast<double>(left[i]) * static_cast<double>(right[i]);
  }));
}

template <class T>
void max_abs(Span<const T> x, Span<double> scratch, Span<T> y) {
  check_scratch("max_abs", scratch);
  check_one("max_abs", y);
  const std::int64_t grain = grain_for(x.size);
  parallel_chunks(x.size, grain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    // Without its sign a float orders like the integer of the same bits, NaN above infinity.
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits kNoSign = std::numeric_limits<Bits>::max() >> 1;
    Bits largest = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const Bits bits = std::bit_cast<Bits>(x.data[i]) & kNoSign;
      largest = bits > largest ? bits : largest;
    }
    scratch.data[chunk] = static_cast<double>(std::bit_cast<T>(largest));
  });
  double largest = 0;
  for (std::int64_t chunk = 0; chunk < num_chunks(x.size, grain); ++chunk)
    if (!std::isnan(largest) && !(scratch.data[chunk] <= largest)) largest = scratch.data[chunk];
  y.data[0] = static_cast<T>(largest);
}

template <class T>
void count_nonfinite(Span<const T> x, Span<double> scratch, Span<std::int32_t> y) {
  check_scratch("count_nonfinite", scratch);
  check_one("count_nonfinite", y);
  const T* const values = x.data;
  const double count = chunked_sum(x.size, scratch, [=](std::int64_t i) {
    // Infinity and NaN are the values whose difference with themselves is not zero.
    return values[i] - values[i] == T{0} ? 0.0 : 1.0;
  });
  y.data[0] = static_cast<std::int32_t>(
      std::min(count, static_cast<double>(std::numeric_limits<std::int32_t>::max())));
}

template <class T>
void column_sums(Rows<const T> x, Span<double> scratch, Span<T> y) {
  check_scratch("column_sums", scratch);
  KT_CHECK(y.size == x.cols, "column_sums: x has {} columns, y {} elements", x.cols, y.size);
  if (x.cols == 0) return;
  // As many bands of rows as fit into the scratch, a column block being the unit of work.
  const std::int64_t most = std::max<std::int64_t>(1, kReduceScratch / x.cols);
  const std::int64_t band = std::max<std::int64_t>(64, num_chunks(x.rows, most));
  const std::int64_t bands = std::max<std::int64_t>(1, num_chunks(x.rows, band));
  const std::int64_t blocks = num_chunks(x.cols, kColumnBlock);
  parallel_for(bands * blocks, 1, [&](std::int64_t task) {
    const std::int64_t b = task / blocks, first = task % blocks * kColumnBlock;
    const std::int64_t count = std::min(kColumnBlock, x.cols - first);
    double totals[kColumnBlock] = {};
    for (std::int64_t r = b * band; r < std::min(x.rows, (b + 1) * band); ++r) {
      const T* const row = x.data + r * x.cols + first;
      for (std::int64_t c = 0; c < count; ++c) totals[c] += static_cast<double>(row[c]);
    }
    for (std::int64_t c = 0; c < count; ++c) {
      if (bands == 1)
        y.data[first + c] = static_cast<T>(totals[c]);
      else
        scratch.data[b * x.cols + first + c] = totals[c];
    }
  });
  if (bands == 1) return;
  for (std::int64_t c = 0; c < x.cols; ++c) {
    double total = 0;
    for (std::int64_t b = 0; b < bands; ++b) total += scratch.data[b * x.cols + c];
    y.data[c] = static_cast<T>(total);
  }
}

#define INSTANTIATE(T)                                                            \
  template void sum(Span<const T>, Span<double>, Span<T>);                        \
  template void sum_of_squares(Span<const T>, Span<double>, Span<T>);             \
  template void dot(Span<const T>, Span<const T>, Span<double>, Span<T>);         \
  template void max_abs(Span<const T>, Span<double>, Span<T>);                    \
  template void count_nonfinite(Span<const T>, Span<double>, Span<std::int32_t>); \
  template void column_sums(Rows<const T>, Span<double>, Span<T>);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace ktrain::cpu
