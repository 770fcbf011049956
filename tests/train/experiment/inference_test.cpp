#include "train/experiment/inference.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/experiment.h"

namespace ktrain::experiment {
namespace {

using test::experiment_noise;

TEST(Inference, IntervalAndTestOfStudentsT) {
  // Student's sleep data, drug 2 minus drug 1: mean 1.58, t = 4.0621, one-sided p = .001416.
  const std::vector<double> x = {1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4};
  const auto interval = t_interval(x, 0.025);
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->mean, 1.58, 1e-12);
  EXPECT_NEAR(interval->lo, 0.7001142, 1e-6);
  EXPECT_NEAR(interval->hi, 2.4598858, 1e-6);
  EXPECT_NEAR(*p_above(x, 0), 0.001416, 1e-6);
  EXPECT_NEAR(*p_below(x, 0), 1 - 0.001416, 1e-6);
  EXPECT_NEAR(*p_equivalent(x, 3), *p_below(x, 3), 1e-12);
}

TEST(Inference, TooFewOrEqualValuesAreNoEvidenceOfTheWrongKind) {
  const std::vector<double> one = {5}, same = {-0.1, -0.1, -0.1};
  EXPECT_FALSE(t_interval(one, 0.05));
  EXPECT_FALSE(p_below(one, 0));
  EXPECT_EQ(*p_below(same, 0), 0);
  EXPECT_EQ(*p_below(same, -0.1), 1);
  EXPECT_EQ(*p_above(same, 0), 1);
}

TEST(Inference, HolmAdjustsStepDown) {
  EXPECT_THAT(holm(std::vector<double>{0.01, 0.04, 0.03, 0.005}),
              testing::Pointwise(testing::DoubleNear(1e-12), {0.03, 0.06, 0.06, 0.02}));
  EXPECT_THAT(holm(std::vector<double>{0.9, 1.0}), testing::ElementsAre(1.0, 1.0));
}

TEST(Inference, SeedsNeeded) {
  // The study's example with the normal quantiles' 2.49 sd / difference gives 9; t needs some more.
  const auto n = seeds_needed(0.6, 0.5, 0.05, 0.8, 1000);
  ASSERT_TRUE(n);
  EXPECT_GE(*n, 9);
  EXPECT_LE(*n, 12);
  EXPECT_LE(detectable(0.6, *n, 0.05, 0.8), 0.5);
  EXPECT_GT(detectable(0.6, *n - 1, 0.05, 0.8), 0.5);
  EXPECT_FALSE(seeds_needed(0.6, 0.0001, 0.05, 0.8, 1000));
  EXPECT_FALSE(seeds_needed(0.6, 0, 0.05, 0.8, 1000));
}

TEST(Inference, PowerIsWhatIsPromised) {
  constexpr std::int64_t kSeeds = 6;
  constexpr int kTrials = 4000;
  const double difference = detectable(1, kSeeds, 0.05, 0.8);
  int found = 0, wrong = 0;
  for (std::uint32_t trial = 0; trial < kTrials; ++trial) {
    std::vector<double> shifted, null;
    for (std::uint32_t i = 0; i < kSeeds; ++i) {
      const double x = experiment_noise(trial, i);
      null.push_back(x);
      shifted.push_back(x - difference);
    }
    found += *p_below(shifted, 0) <= 0.05;
    wrong += *p_below(null, 0) <= 0.05;
  }
  // Three standard errors of a share of 4000: .019 and .010. The formula with two central t
  // quantiles errs by little more than that at 6 seeds.
  EXPECT_NEAR(found / double{kTrials}, 0.8, 0.04);
  EXPECT_NEAR(wrong / double{kTrials}, 0.05, 0.0104);
}

TEST(Inference, BlindSpreadNeedsNoLabelsAndErrsToTheSafeSide) {
  EXPECT_NEAR(blind_sd(std::vector<double>{3, -4}), std::sqrt(12.5), 1e-12);
  EXPECT_EQ(blind_sd(std::vector<double>{1, -2, 3}), blind_sd(std::vector<double>{-1, -2, -3}));
  EXPECT_EQ(blind_sd({}), 0);
}

}  // namespace
}  // namespace ktrain::experiment
