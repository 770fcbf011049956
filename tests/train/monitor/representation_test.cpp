#include "train/monitor/representation.h"

#include <cmath>
#include <numbers>
#include <random>

#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

SampleMatrix normal_samples(std::int64_t rows, std::int64_t columns, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  SampleMatrix m{rows, columns, {}};
  for (std::int64_t i = 0; i < rows * columns; ++i) m.values.push_back(normal(random));
  return m;
}

// m times a product of plane rotations through fixed angles: orthogonal by construction.
SampleMatrix rotated(SampleMatrix m) {
  for (std::int64_t a = 0; a < m.columns; ++a)
    for (std::int64_t b = a + 1; b < m.columns; ++b) {
      const double angle = 0.3 + 0.7 * static_cast<double>(a) + 0.11 * static_cast<double>(b);
      const double c = std::cos(angle), s = std::sin(angle);
      for (std::int64_t i = 0; i < m.rows; ++i) {
        const double x = m(i, a), y = m(i, b);
        m(i, a) = c * x - s * y;
        m(i, b) = s * x + c * y;
      }
    }
  return m;
}

SampleMatrix scaled(SampleMatrix m, double factor) {
  for (double& value : m.values) value *= factor;
  return m;
}

SampleMatrix shifted(SampleMatrix m, double step) {
  for (std::int64_t i = 0; i < m.rows; ++i)
    for (std::int64_t c = 0; c < m.columns; ++c) m(i, c) += step * static_cast<double>(c + 1);
  return m;
}

// T19.
TEST(ChannelDriftTest, AShiftByTSigmaIsHalfTSquaredNats) {
  for (const double t : {-3.0, -0.25, 0.0, 0.5, 2.0}) {
    const ChannelDrift drift = channel_drift({1.5 + 4 * t, 16}, {1.5, 16});
    EXPECT_DOUBLE_EQ(drift.z, t);
    EXPECT_DOUBLE_EQ(drift.r, 0);
    EXPECT_DOUBLE_EQ(drift.kl, t * t / 2);
  }
}

// T19.
TEST(ChannelDriftTest, AScaleBySHasTheClosedForm) {
  for (const double s : {0.25, 0.9, 1.0, 2.0, 10.0}) {
    const ChannelDrift drift = channel_drift({-2, 9 * s * s}, {-2, 9});
    EXPECT_DOUBLE_EQ(drift.z, 0);
    EXPECT_NEAR(drift.r, 2 * std::log(s), 1e-14);
    EXPECT_NEAR(drift.kl, (s * s - 1 - std::log(s * s)) / 2, 1e-13 * s * s);
  }
}

TEST(ChannelDriftTest, AChannelThatNeverMovesHasNoDrift) {
  EXPECT_TRUE(is_still({3, 0}));
  EXPECT_TRUE(is_still({0, 0}));
  EXPECT_TRUE(is_still({1e6, 1e-6}));  // rounding of the mean, no spread
  EXPECT_FALSE(is_still({0, 1e-8}));
  EXPECT_THROW((void)channel_drift({0, 1}, {3, 0}), Error);
  EXPECT_THROW((void)channel_drift({3, 0}, {0, 1}), Error);
}

TEST(QuantileTest, IsLinearBetweenOrderStatistics) {
  EXPECT_DOUBLE_EQ(quantile({5}, 0.95), 5);
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 0.5), 2);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 2, 3}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({0, 10, 20, 30, 40}, 0.95), 38);
  EXPECT_DOUBLE_EQ(quantile({1, 2}, 1), 2);
  EXPECT_THROW((void)quantile({}, 0.5), Error);
}

// T19.
TEST(LinearCkaTest, IsOneForRotationScaleAndShift) {
  // More columns than rows too: there the biased form would be inflated.
  for (const auto& [rows, columns] : {std::pair(40, 6), std::pair(12, 30)}) {
    const SampleMatrix x = normal_samples(rows, columns, 1);
    EXPECT_NEAR(*linear_cka(x, x), 1, 1e-12);
    EXPECT_NEAR(*linear_cka(x, rotated(x)), 1, 1e-12);
    EXPECT_NEAR(*linear_cka(x, scaled(x, -7)), 1, 1e-12);
    EXPECT_NEAR(*linear_cka(x, shifted(rotated(x), 3)), 1, 1e-11);
  }
}

TEST(LinearCkaTest, IsAboutZeroForIndependentSetsOfManyColumns) {
  // 200 redraws of 24 samples with 100 columns, where the biased form is far above 0.
  double sum = 0;
  for (unsigned seed = 0; seed < 200; ++seed)
    sum +=
        *linear_cka(normal_samples(24, 100, 2 * seed + 11), normal_samples(24, 100, 2 * seed + 12));
  // One value has a deviation of about sqrt(2) / 24; the mean of 200 one of 0.0042: five of those.
  EXPECT_NEAR(sum / 200, 0, 0.021);
}

TEST(LinearCkaTest, FallsAsNoiseIsMixedIn) {
  const SampleMatrix x = normal_samples(60, 8, 3), noise = normal_samples(60, 8, 4);
  double before = 1;
  for (const double share : {0.5, 1.0, 3.0}) {
    SampleMatrix y = x;
    for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] += share * noise.values[i];
    const double cka = *linear_cka(x, y);
    EXPECT_LT(cka, before - 0.05);
    before = cka;
  }
}

TEST(LinearCkaTest, SaysNothingAboutASetThatDoesNotVary) {
  const SampleMatrix x = normal_samples(8, 3, 5);
  EXPECT_FALSE(linear_cka(x, scaled(x, 0)));
  EXPECT_FALSE(linear_cka(SampleMatrix{8, 3, std::vector<double>(24, 0.1)}, x));
  EXPECT_THROW((void)linear_cka(normal_samples(3, 3, 1), normal_samples(3, 3, 2)), Error);
  EXPECT_THROW((void)linear_cka(x, normal_samples(9, 3, 6)), Error);
}

TEST(ProcrustesTest, ARotationIsNoDistance) {
  for (const auto& [rows, columns] : {std::pair(40, 6), std::pair(12, 30)}) {
    const SampleMatrix x = normal_samples(rows, columns, 7);
    EXPECT_NEAR(*procrustes_distance(rotated(x), x), 0, 1e-12);
  }
}

TEST(ProcrustesTest, SeesScaleThatCkaForgives) {
  const SampleMatrix x = normal_samples(30, 5, 8);
  // ||cX - X||^2 / ||X||^2
  EXPECT_NEAR(*procrustes_distance(scaled(rotated(x), 3), x), 4, 1e-11);
  EXPECT_NEAR(*procrustes_distance(scaled(x, 0), x), 1, 1e-12);
  EXPECT_FALSE(procrustes_distance(x, scaled(x, 0)));
  EXPECT_THROW((void)procrustes_distance(x, normal_samples(30, 4, 9)), Error);
}

TEST(ProcrustesTest, IsTheLeastOverRotationsOfThePlane) {
  const SampleMatrix a = normal_samples(20, 2, 10), b = normal_samples(20, 2, 11);
  double least = 1e300, norm = 0;
  for (const double value : b.values) norm += value * value;
  for (int i = 0; i < 4000; ++i)
    for (const double mirror : {1.0, -1.0}) {
      const double angle = 2 * std::numbers::pi * i / 4000, c = std::cos(angle),
                   s = std::sin(angle);
      double sum = 0;
      for (std::int64_t r = 0; r < 20; ++r) {
        const double x = c * b(r, 0) - mirror * s * b(r, 1), y = s * b(r, 0) + mirror * c * b(r, 1);
        sum += (a(r, 0) - x) * (a(r, 0) - x) + (a(r, 1) - y) * (a(r, 1) - y);
      }
      least = std::min(least, sum / norm);
    }
  // A grid of 4000 angles misses the least by at most angle^2 / 2 of a few norms.
  EXPECT_NEAR(*procrustes_distance(a, b), least, 1e-5);
  EXPECT_LE(*procrustes_distance(a, b), least + 1e-12);
}

TEST(EffectiveRankTest, IsotropicSetsHaveTheirDimension) {
  SampleMatrix eye{12, 5, std::vector<double>(60, 0)};
  for (std::int64_t i = 0; i < 5; ++i) eye(i + 3, i) = -2;
  EXPECT_NEAR(*effective_rank(eye), 5, 1e-12);
  EXPECT_NEAR(*effective_rank(rotated(eye)), 5, 1e-12);
}

TEST(EffectiveRankTest, TwoSingularValuesHaveTheClosedForm) {
  const SampleMatrix m{2, 2, {3, 0, 0, 1}};
  EXPECT_NEAR(*effective_rank(m), std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25)), 1e-12);
  EXPECT_NEAR(*effective_rank({3, 2, {1, 2, 2, 4, 3, 6}}), 1, 1e-6);  // rank one, to its rounding
  EXPECT_FALSE(effective_rank({2, 2, {0, 0, 0, 0}}));
  EXPECT_THROW((void)effective_rank({}), Error);
}

TEST(CentredTest, ColumnsSumToZero) {
  const SampleMatrix m = centred(SampleMatrix{2, 2, {1, 10, 3, 30}});
  EXPECT_EQ(m.values, (std::vector<double>{-1, -10, 1, 10}));
}

}  // namespace
}  // namespace ktrain
