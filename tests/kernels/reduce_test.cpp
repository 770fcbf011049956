#include "kernels/reduce.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

class Reduce : public testing::TestWithParam<std::size_t> {
 protected:
  std::vector<double> scratch_ = std::vector<double>(kReduceScratch, NAN);
  [[nodiscard]] Span<double> scratch() { return {scratch_.data(), kReduceScratch}; }
};

std::vector<float> floats(std::size_t n, unsigned seed) {
  const test::Vec v = test::random_vec(n, seed);
  return {v.begin(), v.end()};
}

Span<const float> in(const std::vector<float>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}

INSTANTIATE_TEST_SUITE_P(Sizes, Reduce, testing::Values(0, 1, 15, 16, 17, 16384, 16385, 200003));

TEST_P(Reduce, AgreesWithALongDoubleLoop) {
  const std::size_t n = GetParam();
  const std::vector<float> a = floats(n, 1), b = floats(n, 2);
  long double sum = 0, squares = 0, dot = 0, magnitude = 0;
  float largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    sum += a[i];
    squares += static_cast<long double>(a[i]) * a[i];
    dot += static_cast<long double>(a[i]) * b[i];
    magnitude += std::abs(a[i]);
    largest = std::max(largest, std::abs(a[i]));
  }
  // Double sums: n * 2^-53 of the sum of magnitudes is far below the float rounding of the result.
  const double relative = std::ldexp(1.0, -24);
  const double absolute = static_cast<double>(magnitude) * 1e-12;
  std::vector<float> y(1, -1);
  cpu::sum(in(a), scratch(), Span<float>{y.data(), 1});
  EXPECT_TRUE(test::all_close(y, std::vector{static_cast<double>(sum)}, absolute, relative));
  cpu::sum_of_squares(in(a), scratch(), Span<float>{y.data(), 1});
  EXPECT_TRUE(test::all_close(y, std::vector{static_cast<double>(squares)}, absolute, relative));
  cpu::dot(in(a), in(b), scratch(), Span<float>{y.data(), 1});
  EXPECT_TRUE(test::all_close(y, std::vector{static_cast<double>(dot)}, absolute, relative));
  cpu::max_abs(in(a), scratch(), Span<float>{y.data(), 1});
  EXPECT_EQ(y[0], largest);
}

TEST_P(Reduce, FindsWhatIsNotFiniteWhereverItStands) {
  const std::size_t n = GetParam();
  std::vector<float> x = floats(n, 3), y(1);
  std::int32_t count = -1;
  cpu::count_nonfinite(in(x), scratch(), Span<std::int32_t>{&count, 1});
  EXPECT_EQ(count, 0);
  if (n < 2) return;
  const float inf = std::numeric_limits<float>::infinity();
  x[n - 1] = -inf;
  cpu::max_abs(in(x), scratch(), Span<float>{y.data(), 1});
  EXPECT_EQ(y[0], inf);
  x[n / 2] = NAN;
  cpu::count_nonfinite(in(x), scratch(), Span<std::int32_t>{&count, 1});
  EXPECT_EQ(count, n / 2 == n - 1 ? 1 : 2);
  cpu::max_abs(in(x), scratch(), Span<float>{y.data(), 1});
  EXPECT_TRUE(std::isnan(y[0]));
}

TEST_P(Reduce, IsTheSameToTheLastBitOnAnyNumberOfThreads) {
  const std::vector<float> x = floats(GetParam(), 4);
  const int before = num_threads();
  std::vector<float> results;
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    results.push_back(0);
    cpu::sum(in(x), scratch(), Span<float>{&results.back(), 1});
  }
  set_num_threads(before);
  EXPECT_THAT(results, testing::Each(results[0]));
}

TEST(ColumnSums, AgreesWithTheLoop) {
  std::vector<double> scratch(kReduceScratch);
  for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 3},
                                                                                     {1, 1},
                                                                                     {3, 0},
                                                                                     {5, 127},
                                                                                     {64, 128},
                                                                                     {65, 129},
                                                                                     {1000, 1},
                                                                                     {700, 257},
                                                                                     {9, 9001}}) {
    const test::Vec x = test::random_vec(static_cast<std::size_t>(rows * cols), 5);
    test::Vec y(static_cast<std::size_t>(cols), NAN), want(static_cast<std::size_t>(cols), 0.0);
    const Rows<const double> view{x.data(), rows, cols};
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c) want[static_cast<std::size_t>(c)] += view(r, c);
    cpu::column_sums(view, {scratch.data(), kReduceScratch}, Span<double>{y.data(), cols});
    // Another order of at most 1000 terms below 1: 1000 * 2^-53 * 1000 at the very most.
    EXPECT_TRUE(test::all_close(y, want, 1.2e-10, 0)) << rows << 'x' << cols;
  }
}

TEST(ReduceErrors, NameTheOpAndTheSizes) {
  std::vector<double> scratch(10);
  const std::vector<float> x(3);
  float y = 0;
  try {
    cpu::sum(in(x), {scratch.data(), 10}, Span<float>{&y, 1});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::StartsWith("sum: scratch has 10 elements, wanted 8192 (kernels/"));
  }
  scratch.resize(kReduceScratch);
  EXPECT_THROW(cpu::sum(in(x), {scratch.data(), kReduceScratch}, Span<float>{&y, 0}), Error);
  EXPECT_THROW(cpu::dot(in(x), Span<const float>{x.data(), 2}, {scratch.data(), kReduceScratch},
                        Span<float>{&y, 1}),
               Error);
}

}  // namespace
}  // namespace ktrain
