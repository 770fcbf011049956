#include "kernels/mmd.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 4;

// The rows that count, those of x first.
template <class T>
struct Pooled {
  Span<const T*> rows;
  Span<std::int32_t> places;  // in their set
  Span<double> sums;          // one of each row
  Span<T> distances;          // of all pairs
  std::int64_t n = 0, m = 0, cols = 0;

  Pooled(Scratch& scratch, std::int64_t capacity)
      : rows(scratch.take<const T*>(capacity)),
        places(scratch.take<std::int32_t>(capacity)),
        sums(scratch.take<double>(capacity)),
        distances(scratch.take<T>(capacity * (capacity - 1) / 2)) {}

  void gather(const MmdSets<T>& sets) {
    cols = sets.x.cols;
    n = append(sets.x, sets.x_rows, 0);
    m = append(sets.y, sets.y_rows, n);
  }
  [[nodiscard]] std::int64_t size() const { return n + m; }
  [[nodiscard]] bool estimable() const { return n >= 2 && m >= 2; }
  [[nodiscard]] double squared_distance(std::int64_t i, std::int64_t j) const {
    double total = 0;
    for (std::int64_t c = 0; c < cols; ++c) {
      const double difference = static_cast<double>(rows[i][c]) - static_cast<double>(rows[j][c]);
      total += difference * difference;
    }
    return total;
  }
  // What the pair (i, j) of different rows weighs in the sum over ordered pairs.
  [[nodiscard]] double pair_weight(std::int64_t i, std::int64_t j) const {
    const auto a = static_cast<double>(n), b = static_cast<double>(m);
    if (i < n && j < n) return 1 / (a * (a - 1));
    if (i >= n && j >= n) return 1 / (b * (b - 1));
    return -1 / (a * b);  // counted from both sides
  }

 private:
  std::int64_t append(Rows<const T> from, Span<const std::int32_t> counts, std::int64_t at) {
    std::int64_t added = 0;
    for (std::int64_t r = 0; r < from.rows; ++r) {
      if (counts[r] < 0) continue;
      rows[at + added] = from.data + r * from.cols;
      places[at + added++] = static_cast<std::int32_t>(r);
    }
    return added;
  }
};

// -1 / (2 sigma^2) of a bandwidth.
template <class T>
double exponent(T sigma) {
  const double s = std::max(static_cast<double>(sigma), kMmdLeast);
  return std::isnan(sigma) ? NAN : -0.5 / (s * s);
}

template <class T>
void check_sets(const char* who, const MmdSets<T>& sets) {
  KT_CHECK(sets.x.cols == sets.y.cols && sets.x_rows.size == sets.x.rows &&
               sets.y_rows.size == sets.y.rows,
           "{}: x is {}x{} with {} row marks, y is {}x{} with {}", who, sets.x.rows, sets.x.cols,
           sets.x_rows.size, sets.y.rows, sets.y.cols, sets.y_rows.size);
}

template <class T>
Pooled<T> pooled(const MmdSets<T>& sets, Span<std::byte> memory) {
  Scratch scratch(memory);
  Pooled<T> rows(scratch, sets.x.rows + sets.y.rows);
  rows.gather(sets);
  return rows;
}

}  // namespace

template <class T>
std::int64_t mmd_scratch_bytes(std::int64_t rows) {
  Scratch scratch;
  (void)Pooled<T>(scratch, rows);
  return scratch.bytes();
}

template <class T>
void mmd_bandwidths(const MmdSets<T>& sets, Span<T> sigma, Span<std::byte> scratch) {
  check_sets("mmd_bandwidths", sets);
  KT_CHECK(sigma.size == std::ssize(kMmdFactors),
           "mmd_bandwidths: sigma has {} elements, wanted {}", sigma.size, kMmdFactors.size());
  const Pooled<T> rows = pooled(sets, scratch);
  const std::int64_t pairs = rows.size() * (rows.size() - 1) / 2;
  parallel_for(rows.size(), kGrain, [&](std::int64_t i) {
    T* const out = rows.distances.data + i * (i - 1) / 2;
    for (std::int64_t j = 0; j < i; ++j)
      out[j] = static_cast<T>(std::sqrt(rows.squared_distance(i, j)));
  });
  T* const begin = rows.distances.data;
  double median = 0;
  // Order statistics are undefined among NaNs.
  if (std::any_of(begin, begin + pairs, [](T d) { return std::isnan(d); })) {
    median = NAN;
  } else if (pairs > 0) {
    T* const middle = begin + pairs / 2;
    std::nth_element(begin, middle, begin + pairs);
    median = static_cast<double>(*middle);
    if (pairs % 2 == 0)
      median = 0.5 * (median + static_cast<double>(*std::max_element(begin, middle)));
  }
  for (std::int64_t s = 0; s < sigma.size; ++s)
    sigma[s] = static_cast<T>(kMmdFactors[static_cast<std::size_t>(s)] * median);
}

template <class T>
void mmd_forward(const MmdSets<T>& sets, Span<const T> sigma, Span<T> loss,
                 Span<std::byte> scratch) {
  check_sets("mmd_forward", sets);
  KT_CHECK(sigma.size > 0 && loss.size == 1, "mmd_forward: {} bandwidths, loss has {} elements",
           sigma.size, loss.size);
  const Pooled<T> rows = pooled(sets, scratch);
  loss[0] = 0;
  if (!rows.estimable()) return;
  parallel_for(rows.size(), kGrain, [&](std::int64_t i) {
    double total = 0;
    for (std::int64_t j = 0; j < rows.size(); ++j) {
      if (j == i) continue;
      const double squared = rows.squared_distance(i, j);
      double kernel = 0;
      for (std::int64_t s = 0; s < sigma.size; ++s)
        kernel += std::exp(squared * exponent(sigma[s]));
      total += rows.pair_weight(i, j) * kernel;
    }
    rows.sums[i] = total;
  });
  double total = 0;
  for (std::int64_t i = 0; i < rows.size(); ++i) total += rows.sums[i];
  loss[0] = static_cast<T>(total / static_cast<double>(sigma.size));
}

template <class T>
void mmd_backward(const MmdSets<T>& sets, Span<const T> sigma, Span<const T> dloss, Rows<T> dx,
                  Rows<T> dy, Span<std::byte> scratch) {
  check_sets("mmd_backward", sets);
  KT_CHECK(same_shape(sets.x, dx) && same_shape(sets.y, dy) && dloss.size == 1 && sigma.size > 0,
           "mmd_backward: x is {}x{}, dx {}x{}, y {}x{}, dy {}x{}, dloss has {} elements, sigma {}",
           sets.x.rows, sets.x.cols, dx.rows, dx.cols, sets.y.rows, sets.y.cols, dy.rows, dy.cols,
           dloss.size, sigma.size);
  std::fill_n(dx.data, dx.size(), T{0});
  std::fill_n(dy.data, dy.size(), T{0});
  const Pooled<T> rows = pooled(sets, scratch);
  if (!rows.estimable()) return;
  const double scale = static_cast<double>(dloss[0]) / static_cast<double>(sigma.size);
  parallel_for(rows.size(), kGrain, [&](std::int64_t i) {
    T* const out = (i < rows.n ? dx.data : dy.data) + rows.places[i] * rows.cols;
    // An ordered pair is met from both of its ends.
    for (std::int64_t j = 0; j < rows.size(); ++j) {
      if (j == i) continue;
      const double squared = rows.squared_distance(i, j);
      double slope = 0;
      for (std::int64_t s = 0; s < sigma.size; ++s) {
        const double e = exponent(sigma[s]);
        slope += 2 * e * std::exp(squared * e);
      }
      const double factor = 2 * scale * rows.pair_weight(i, j) * slope;
      for (std::int64_t c = 0; c < rows.cols; ++c)
        out[c] += static_cast<T>(
            factor * (static_cast<double>(rows.rows[i][c]) - static_cast<double>(rows.rows[j][c])));
    }
  });
}

#define KT_INSTANTIATE(T)                                                                       \
  template std::int64_t mmd_scratch_bytes<T>(std::int64_t);                                     \
  template void mmd_bandwidths(const MmdSets<T>&, Span<T>, Span<std::byte>);                    \
  template void mmd_forward(const MmdSets<T>&, Span<const T>, Span<T>, Span<std::byte>);        \
  template void mmd_backward(const MmdSets<T>&, Span<const T>, Span<const T>, Rows<T>, Rows<T>, \
                             Span<std::byte>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
