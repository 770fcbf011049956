#include "kernels/mmd.h"

#include <cmath>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

using test::random_vec;
using test::Vec;
using Marks = std::vector<std::int32_t>;

template <class T>
struct Sets {
  std::vector<T> x, y;
  Marks x_rows, y_rows;

  [[nodiscard]] std::int64_t cols() const {
    return static_cast<std::int64_t>(x.size() / x_rows.size());
  }
  [[nodiscard]] MmdSets<T> view() const {
    const auto rows = [](const Marks& m) { return static_cast<std::int64_t>(m.size()); };
    return {{x.data(), rows(x_rows), cols()},
            {y.data(), rows(y_rows), cols()},
            {x_rows.data(), rows(x_rows)},
            {y_rows.data(), rows(y_rows)}};
  }
  [[nodiscard]] std::vector<std::byte> scratch() const {
    return std::vector<std::byte>(static_cast<std::size_t>(
        cpu::mmd_scratch_bytes<T>(std::ssize(x_rows) + std::ssize(y_rows))));
  }
};

template <class T>
std::vector<T> bandwidths(const Sets<T>& sets) {
  std::vector<T> sigma(kMmdFactors.size(), T(NAN));
  auto scratch = sets.scratch();
  cpu::mmd_bandwidths<T>(sets.view(), {sigma.data(), std::ssize(sigma)},
                         {scratch.data(), std::ssize(scratch)});
  return sigma;
}

template <class T>
T loss_of(const Sets<T>& sets, const std::vector<T>& sigma) {
  T loss = T(NAN);
  auto scratch = sets.scratch();
  cpu::mmd_forward<T>(sets.view(), {sigma.data(), std::ssize(sigma)}, {&loss, 1},
                      {scratch.data(), std::ssize(scratch)});
  return loss;
}

template <class T>
std::pair<std::vector<T>, std::vector<T>> gradient_of(const Sets<T>& sets,
                                                      const std::vector<T>& sigma, T dloss) {
  std::vector<T> dx(sets.x.size(), T(NAN)), dy(sets.y.size(), T(NAN));
  auto scratch = sets.scratch();
  const auto view = sets.view();
  cpu::mmd_backward<T>(view, {sigma.data(), std::ssize(sigma)}, {&dloss, 1},
                       {dx.data(), view.x.rows, view.x.cols}, {dy.data(), view.y.rows, view.y.cols},
                       {scratch.data(), std::ssize(scratch)});
  return {dx, dy};
}

// Sets of n and m rows with some more that do not count, filled with NaN.
Sets<double> random_sets(std::size_t n, std::size_t m, std::size_t cols, unsigned seed) {
  Sets<double> sets;
  const auto fill = [&](std::size_t rows, unsigned draw, Vec& values, Marks& marks) {
    const Vec random = random_vec(rows * cols, draw);
    for (std::size_t r = 0; r < rows; ++r) {
      if (r % 2 == 1) {
        values.insert(values.end(), cols, NAN);
        marks.push_back(-1);
      }
      const auto from = random.begin() + static_cast<std::ptrdiff_t>(r * cols);
      values.insert(values.end(), from, from + static_cast<std::ptrdiff_t>(cols));
      marks.push_back(static_cast<std::int32_t>(r));
    }
  };
  fill(n, seed, sets.x, sets.x_rows);
  fill(m, seed + 1, sets.y, sets.y_rows);
  return sets;
}

Sets<float> in_float(const Sets<double>& sets) {
  return {{sets.x.begin(), sets.x.end()}, {sets.y.begin(), sets.y.end()}, sets.x_rows, sets.y_rows};
}

// T17.
TEST(Mmd, TwoEqualPairsGiveTheKernelLessOne) {
  // {x, y} against {x, y}: k + k - 2 (1 + k + k + 1) / 4 = k(x,y) - 1, below 0.
  const Sets<double> sets{{0, 0, 3, 4}, {0, 0, 3, 4}, {0, 1}, {0, 1}};
  for (const double sigma : {0.5, 2.0, 5.0, 50.0}) {
    const double kernel = std::exp(-25 / (2 * sigma * sigma));
    EXPECT_NEAR(loss_of<double>(sets, {sigma}), kernel - 1, 1e-15);
    EXPECT_LT(loss_of<double>(sets, {sigma}), 0);
  }
}

TEST(Mmd, BandwidthsAreTheMedianDistanceTimesFiveFactors) {
  // On a line 0, 1, 3 | 7: distances 1 2 3 4 6 7, the median 3.5.
  const Sets<double> even{{0, 1, 3}, {7}, {0, 1, 2}, {0}};
  EXPECT_THAT(bandwidths(even), testing::ElementsAre(0.875, 1.75, 3.5, 7, 14));
  const Sets<double> odd{{0, 1}, {7}, {0, 1}, {0}};  // 1 6 7
  EXPECT_THAT(bandwidths(odd), testing::ElementsAre(1.5, 3, 6, 12, 24));
  // Rows that do not count are not read.
  const Sets<double> marked{{0, NAN, 1}, {7, 1e9}, {0, -1, 5}, {0, -1}};
  EXPECT_EQ(bandwidths(marked), bandwidths(odd));
}

TEST(Mmd, GradientsMatchCentralDifferences) {
  for (const auto& [n, m, cols] : {std::array<std::size_t, 3>{2, 2, 1}, {5, 3, 4}, {9, 12, 7}}) {
    const Sets<double> sets = random_sets(n, m, cols, 3);
    const Vec sigma = bandwidths(sets), dloss = {-1.7};
    const auto [dx, dy] = gradient_of(sets, sigma, dloss[0]);
    const auto at_x = [&](const Vec& x) {
      return Vec{loss_of<double>({x, sets.y, sets.x_rows, sets.y_rows}, sigma)};
    };
    const auto at_y = [&](const Vec& y) {
      return Vec{loss_of<double>({sets.x, y, sets.x_rows, sets.y_rows}, sigma)};
    };
    // Rows of NaN that do not count stay NaN when moved, and their derivative is 0. The narrowest
    // kernel has third derivatives of 1e2 at these distances: 1e2 * (1e-5)^2 / 6, rounding 1e-11.
    EXPECT_LT(test::gradient_error(at_x, sets.x, dloss, dx), 1e-8);
    EXPECT_LT(test::gradient_error(at_y, sets.y, dloss, dy), 1e-8);
  }
}

TEST(Mmd, FloatAgreesWithDouble) {
  const Sets<double> sets = random_sets(20, 31, 16, 11);
  const Vec sigma = bandwidths(sets);
  const Sets<float> narrow = in_float(sets);
  const std::vector<float> narrow_sigma = bandwidths(narrow);
  // Distances are rounded to float once: 6e-8 of them, doubled by the square, times d^2 / 2 sigma^2
  // of at most 30 at the narrowest kernel.
  EXPECT_TRUE(test::all_close(narrow_sigma, sigma, 0, 2e-7));
  EXPECT_NEAR(loss_of(narrow, narrow_sigma), loss_of(sets, sigma), 4e-6);
  const auto [dx, dy] = gradient_of(sets, sigma, 1.0);
  const auto [fx, fy] = gradient_of(narrow, narrow_sigma, 1.0f);
  EXPECT_TRUE(test::all_close(fx, dx, 1e-6, 1e-5));
  EXPECT_TRUE(test::all_close(fy, dy, 1e-6, 1e-5));
}

struct Redraws {
  double mean, sd;
};

// Of `draws` values of the estimate at fixed bandwidths, both sets being n rows of one Gaussian.
Redraws under_the_null(std::size_t n, int draws, const Vec& sigma, std::size_t cols) {
  std::mt19937_64 engine(7);
  std::normal_distribution<double> normal;
  Sets<double> sets{Vec(n * cols), Vec(n * cols), Marks(n, 0), Marks(n, 0)};
  double sum = 0, squares = 0;
  for (int t = 0; t < draws; ++t) {
    for (double& v : sets.x) v = normal(engine);
    for (double& v : sets.y) v = normal(engine);
    const double loss = loss_of(sets, sigma);
    sum += loss;
    squares += loss * loss;
  }
  const double mean = sum / draws;
  return {mean, std::sqrt(squares / draws - mean * mean)};
}

// T17.
TEST(Mmd, RedrawsOfOneDistributionHaveMeanZeroAndTheKnownSpread) {
  constexpr std::size_t kCols = 64;
  // The median distance of two rows of a standard Gaussian in 64 dimensions is 11.27.
  Vec sigma;
  for (const double factor : kMmdFactors) sigma.push_back(factor * 11.27);
  // Var = E[h^2] (2/(n(n-1)) + 2/(m(m-1)) + 4/(nm)), h the kernel centred in both arguments: of
  // exact second order, so that its square root times n is constant. The mean kernel's numbers from
  // an independent simulation in numpy are 0.0136, 0.0033 and 0.0008 at n = 4, 16 and 64.
  const Redraws four = under_the_null(4, 4000, sigma, kCols);
  const Redraws sixteen = under_the_null(16, 1000, sigma, kCols);
  EXPECT_LT(std::abs(four.mean), 4 * four.sd / std::sqrt(4000.0));
  EXPECT_LT(std::abs(sixteen.mean), 4 * sixteen.sd / std::sqrt(1000.0));
  // Spread of a spread: a few percent at these numbers of draws; bandwidths were drawn along there.
  EXPECT_NEAR(four.sd, 0.0136, 0.0136 * 0.1);
  EXPECT_NEAR(sixteen.sd, 0.0033, 0.0033 * 0.1);
  const double law =
      std::sqrt((2.0 / 12 + 2.0 / 12 + 4.0 / 16) / (2.0 / 240 + 2.0 / 240 + 4.0 / 256));
  EXPECT_NEAR(four.sd / sixteen.sd, law, 0.1 * law);
}

TEST(Mmd, IsNotClampedAndSeesAShift) {
  std::mt19937_64 engine(5);
  std::normal_distribution<double> normal;
  int negative = 0;
  Sets<double> sets{Vec(16 * 8), Vec(16 * 8), Marks(16, 0), Marks(16, 0)};
  for (int t = 0; t < 200; ++t) {
    for (double& v : sets.x) v = normal(engine);
    for (double& v : sets.y) v = normal(engine);
    negative += loss_of(sets, bandwidths(sets)) < 0 ? 1 : 0;
  }
  EXPECT_GT(negative, 80);  // about half of them
  for (double& v : sets.y) v += 1;
  EXPECT_GT(loss_of(sets, bandwidths(sets)), 0.05);
}

TEST(Mmd, WithoutTwoRowsOnASideThereIsNothing) {
  const Sets<double> sets{{1, 2, 3}, {4, 5, 6}, {0, 1, 2}, {-1, 7, -1}};
  const Vec sigma = {1, 2};
  EXPECT_EQ(loss_of(sets, sigma), 0);
  const auto [dx, dy] = gradient_of(sets, sigma, 1.0);
  EXPECT_THAT(dx, testing::Each(0));
  EXPECT_THAT(dy, testing::Each(0));
}

TEST(Mmd, EqualRowsStayFiniteAndNaNIsSeen) {
  const Sets<double> same{{1, 1}, {1, 1}, {0, 1}, {0, 1}};
  const Vec sigma = bandwidths(same);
  EXPECT_THAT(sigma, testing::Each(0));
  EXPECT_EQ(loss_of(same, sigma), 0);  // 1 + 1 - 2
  EXPECT_THAT(gradient_of(same, sigma, 1.0).first, testing::Each(0));
  const Sets<double> nan{{1, NAN}, {2, 3}, {0, 1}, {0, 1}};
  EXPECT_TRUE(std::isnan(bandwidths(nan)[0]));
  EXPECT_TRUE(std::isnan(loss_of(nan, {1.0})));
}

TEST(Mmd, RefusesSizesThatDoNotAgree) {
  const Sets<double> sets{{1, 2, 3, 4}, {1, 2}, {0, 1}, {0, 1}};
  MmdSets<double> view = sets.view();
  view.y.cols = 1;
  double loss = 0;
  const double sigma = 1;
  EXPECT_THAT(
      [&] {
        cpu::mmd_forward<double>(view, {&sigma, 1}, {&loss, 1}, {});
      },
      testing::ThrowsMessage<Error>(
          testing::HasSubstr("x is 2x2 with 2 row marks, y is 2x1 with 2")));
}

}  // namespace
}  // namespace ktrain
