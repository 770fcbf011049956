#include "train/monitor/embedding.h"

#include <cmath>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

SampleMatrix on_sphere(std::int64_t rows, std::int64_t columns, unsigned seed, double first = 0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  SampleMatrix m{rows, columns, {}};
  for (std::int64_t i = 0; i < rows * columns; ++i) m.values.push_back(normal(random));
  for (std::int64_t i = 0; i < rows; ++i) m(i, 0) += first;
  return normalized_rows(m);
}

std::vector<std::int64_t> counting(std::int64_t rows) {
  std::vector<std::int64_t> group(static_cast<std::size_t>(rows));
  std::iota(group.begin(), group.end(), 0);
  return group;
}

TEST(EmbeddingTest, RowsAreBroughtToLengthOne) {
  const SampleMatrix m = normalized_rows({3, 2, {3, 4, 0, 0, -2, 0}});
  EXPECT_EQ(m.values, (std::vector<double>{0.6, 0.8, 0, 0, -1, 0}));
}

TEST(EmbeddingTest, AlignmentOfClosedCases) {
  const SampleMatrix u{2, 2, {1, 0, 0, 1}};
  EXPECT_EQ(alignment(u, u), 0);
  EXPECT_EQ(alignment(u, {2, 2, {-1, 0, 0, -1}}), 4);
  EXPECT_EQ(alignment(u, {2, 2, {0, 1, 1, 0}}), 2);
  EXPECT_EQ(alignment(u, {2, 2, {1, 0, 0, -1}}), 2);  // one pair 0, one 4
  EXPECT_THROW((void)alignment(u, {1, 2, {1, 0}}), Error);
}

TEST(EmbeddingTest, UniformityOfClosedCases) {
  EXPECT_EQ(uniformity({3, 2, {1, 0, 1, 0, 1, 0}}), 0);       // collapsed
  EXPECT_NEAR(uniformity({2, 2, {1, 0, -1, 0}}), -8, 1e-14);  // opposite: the least there is
  // Orthonormal: every pair is at squared distance 2.
  EXPECT_NEAR(uniformity({3, 3, {1, 0, 0, 0, 1, 0, 0, 0, 1}}), -4, 1e-14);
  // Four corners of a square: four sides of squared length 2, two diagonals of 4.
  EXPECT_NEAR(uniformity({4, 2, {1, 0, 0, 1, -1, 0, 0, -1}}),
              std::log((4 * std::exp(-4.0) + 2 * std::exp(-8.0)) / 6), 1e-14);
  EXPECT_THROW((void)uniformity({1, 2, {1, 0}}), Error);
}

TEST(EmbeddingTest, GapIsTheDistanceOfTheMeans) {
  const SampleMatrix u{2, 2, {1, 0, 0, 1}};
  EXPECT_EQ(modality_gap(u, u), 0);
  EXPECT_NEAR(modality_gap(u, {2, 2, {-1, 0, 0, -1}}), std::sqrt(2.0), 1e-15);
  // Other points with the same mean: no gap, though nothing coincides.
  EXPECT_NEAR(modality_gap({2, 2, {1, 0, -1, 0}}, {2, 2, {0, 1, 0, -1}}), 0, 1e-15);
}

TEST(EmbeddingTest, AreaUnderTheCurveCountsTiesHalf) {
  const std::vector<double> low = {1, 2}, high = {3, 4}, mixed = {1, 3}, tied = {2, 2};
  EXPECT_EQ(area_under_curve(high, low), 1);
  EXPECT_EQ(area_under_curve(low, high), 0);
  EXPECT_EQ(area_under_curve(low, low), 0.5);
  EXPECT_EQ(area_under_curve(mixed, tied), 0.5);
  EXPECT_EQ(area_under_curve(high, std::vector<double>{3, 5}), 0.375);  // .5 + 0 + 1 + 0 of 4
  EXPECT_THROW((void)area_under_curve({}, low), Error);
}

TEST(EmbeddingTest, IdenticalSetsCannotBeToldApart) {
  const SampleMatrix u = on_sphere(40, 8, 1);
  EXPECT_EQ(*modality_auc(u, u, counting(40)), 0.5);
}

TEST(EmbeddingTest, TwoDrawsOfOneDistributionAreToldApartByChanceOnly) {
  double sum = 0;
  for (unsigned seed = 0; seed < 50; ++seed)
    sum += *modality_auc(on_sphere(40, 8, 100 + seed), on_sphere(40, 8, 200 + seed), counting(40));
  // An area over 20 against 20 has deviation 0.09, the two halves' mean 0.065, 50 of them 0.009.
  EXPECT_NEAR(sum / 50, 0.5, 0.04);
}

TEST(EmbeddingTest, SeparatedSetsAreToldApartWithoutError) {
  EXPECT_EQ(*modality_auc(on_sphere(40, 8, 2, 20), on_sphere(40, 8, 3, -20), counting(40)), 1);
  // More columns than rows, and no spread at all.
  EXPECT_EQ(*modality_auc(on_sphere(10, 32, 4, 60), on_sphere(10, 32, 5, -60), counting(10)), 1);
  const SampleMatrix one{4, 2, {1, 0, 1, 0, 1, 0, 1, 0}}, other{4, 2, {0, 1, 0, 1, 0, 1, 0, 1}};
  EXPECT_EQ(*modality_auc(one, other, counting(4)), 1);
}

TEST(EmbeddingTest, SetsWithASmallGapCanBeToldApartByALine) {
  // The centroid gap is small beside what the line finds: 0.2 of a deviation in every column adds
  // up.
  const std::int64_t n = 400, d = 64;
  SampleMatrix u = on_sphere(n, d, 6), v = on_sphere(n, d, 7);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < d; ++c) {
      u(i, c) += 0.03;
      v(i, c) -= 0.03;
    }
  EXPECT_LT(modality_gap(u, v), 0.6);
  EXPECT_GT(*modality_auc(u, v, counting(n)), 0.95);
}

TEST(EmbeddingTest, RowsOfOneImageAreNeverOnBothSides) {
  // All rows in even groups: nothing is held out, so nothing is said.
  const SampleMatrix u = on_sphere(6, 3, 8), v = on_sphere(6, 3, 9);
  const std::vector<std::int64_t> even = {0, 0, 2, 2, 4, 4}, mixed = {0, 0, 0, 1, 1, 1};
  EXPECT_FALSE(modality_auc(u, v, even));
  EXPECT_TRUE(modality_auc(u, v, mixed));
  EXPECT_THROW((void)modality_auc(u, v, counting(5)), Error);
}

}  // namespace
}  // namespace ktrain
