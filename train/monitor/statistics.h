// The statistics behind what the monitor says: quantiles, a confidence sequence that may be looked
// at after every probe, serial correlation, change points, proportions, the jackknife.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ktrain {

// The p quantile of N(0, 1), and of Student's t. 0 < p < 1, degrees > 0.
[[nodiscard]] double normal_quantile(double p);
[[nodiscard]] double student_quantile(double p, double degrees);

// Half width of the asymptotic confidence sequence (Waudby-Smith and others, arXiv 2103.06476):
// with probability 1 - alpha the true mean stays below mean + width at *every* n, so one may look
// after every probe. One-sided; both sides together have 1 - 2 alpha. n >= 1, sd >= 0, 0 < alpha <
// 1/2; the approximation wants n >= 20. Narrowest near n = 50.
[[nodiscard]] double sequence_half_width(std::int64_t n, double sd, double alpha);

// By how much serial correlation r1 widens a standard deviation: sqrt((1 + r1) / (1 - r1)) for
// 0 < r1 < 1; 1 below, since a negative r1 is more often noise than knowledge.
[[nodiscard]] double correlation_inflation(double r1);

// Count, mean, deviation and lag-1 correlation of a series, one value at a time.
class SeriesMoments {
 public:
  // What it is made of: all there is to save.
  struct State {
    std::int64_t n = 0;
    double first = 0, last = 0;            // values
    double sum = 0, squares = 0, lag = 0;  // of x - first: kept small, and 0 for a constant series
    double steps = 0;                      // squares of successive differences
    bool operator==(const State&) const = default;
  };

  SeriesMoments() = default;
  explicit SeriesMoments(const State& state) : state_(state) {}
  void add(double x);

  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] std::int64_t n() const { return state_.n; }
  [[nodiscard]] double mean() const;
  [[nodiscard]] double sd() const;  // with n - 1; 0 for n < 2
  [[nodiscard]] double r1() const;  // 0 for n < 3 and for a constant series
  // The deviation by successive differences, which a shift of the mean hardly moves; 0 for n < 2.
  [[nodiscard]] double local_sd() const;

 private:
  State state_;
};

// One-sided CUSUM for a rise of standardised values (Page 1954): k in favour of no change, alarm at
// h. For k = .5, h = 5: some 930 values of N(0, 1) to a false alarm, 10.4 after a shift by 1.
class Cusum {
 public:
  struct State {
    double sum = 0;
    std::int64_t start = 0;  // the step at which the sum last left 0
    std::int64_t onset = 0;  // of the first alarm, 0 before it
    bool operator==(const State&) const = default;
  };

  Cusum() = default;
  Cusum(double k, double h) : k_(k), h_(h) {}
  // Whether the sum is above h.
  bool add(double z, std::int64_t step);
  [[nodiscard]] const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

 private:
  double k_ = 0.5, h_ = 5;
  State state_;
};

struct Proportion {
  std::int64_t hits = 0, n = 0;
};

// The chance of a difference of at least this size when both have the same proportion, for "a is
// larger than b": the pooled two-proportion test, or Fisher's exact one where an expected count is
// below 5. 1 when either has no values.
[[nodiscard]] double larger_proportion_p_value(const Proportion& a, const Proportion& b);

struct Interval {
  double value = 0, lo = 0, hi = 0;
  std::int64_t n = 0;
  bool operator==(const Interval&) const = default;
};

// Delete-one jackknife: `value` of all blocks, `without[b]` of all but block b; Student's t with
// blocks - 1 degrees. At least 2 blocks.
[[nodiscard]] Interval jackknife_interval(double value, std::span<const double> without,
                                          double confidence = 0.95);

// The mean of a series with Student's t, widened for its serial correlation. For a fixed n, looked
// at once. Nothing for fewer than 2 values.
[[nodiscard]] std::optional<Interval> mean_interval(std::span<const double> values,
                                                    double confidence = 0.95);

// NaN never comes in or out. Nothing for an empty list.
[[nodiscard]] std::optional<double> median_of(std::span<const double> values);

}  // namespace ktrain
