// Simulations draw from Philox: the same numbers everywhere, so the counts below do not wander.
#include "train/monitor/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/message.h"
#include "tests/support/probe.h"

namespace ktrain {
namespace {

constexpr RandomKey kKey{31, 901, 0};

TEST(Statistics, QuantilesOfTables) {
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(normal_quantile(0.05), -1.644853626951472, 1e-12);
  EXPECT_NEAR(student_quantile(0.975, 15), 2.131449545559323, 1e-10);
  EXPECT_NEAR(student_quantile(0.975, 1), 12.70620473617471, 1e-9);
  EXPECT_NE(test::message_of([] { (void)normal_quantile(1); }), "nothing was thrown");
}

// hw(n) by hand for n = 20, s = .1, alpha = .05: eta^2 = (4.605170 + 1.527180 + 1) / 50 = .142647,
// n eta^2 + 1 = 3.852940, 2 * that / (400 eta^2) = .135053, ln(1 + 1.962891 / .1) = 3.026594.
TEST(Statistics, HalfWidthByHand) {
  EXPECT_NEAR(sequence_half_width(20, 0.1, 0.05), 0.1 * std::sqrt(0.135053 * 3.026594), 1e-6);
  EXPECT_EQ(sequence_half_width(20, 0, 0.05), 0);
  EXPECT_LT(sequence_half_width(200, 0.1, 0.05), sequence_half_width(100, 0.1, 0.05));
  EXPECT_GT(sequence_half_width(50, 0.1, 0.05 / 24), sequence_half_width(50, 0.1, 0.05));
}

TEST(Statistics, MomentsAgreeWithTheirDefinitions) {
  std::vector<double> x;
  SeriesMoments moments;
  for (std::uint32_t i = 0; i < 40; ++i) {
    x.push_back(0.3 + 0.1 * test::normal_of(kKey, 0, i));
    moments.add(x.back());
  }
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / 40;
  double spread = 0, lag = 0, steps = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    spread += (x[i] - mean) * (x[i] - mean);
    if (i > 0) lag += (x[i] - mean) * (x[i - 1] - mean);
    if (i > 0) steps += (x[i] - x[i - 1]) * (x[i] - x[i - 1]);
  }
  EXPECT_NEAR(moments.mean(), mean, 1e-15);
  EXPECT_NEAR(moments.sd(), std::sqrt(spread / 39), 1e-14);
  EXPECT_NEAR(moments.r1(), lag / spread, 1e-12);
  EXPECT_NEAR(moments.local_sd(), std::sqrt(steps / 78), 1e-14);
  SeriesMoments constant;
  for (int i = 0; i < 30; ++i) constant.add(-0.1);
  EXPECT_EQ(constant.mean(), -0.1);
  EXPECT_EQ(constant.sd(), 0);
  EXPECT_EQ(constant.r1(), 0);
}

// The first n from 20 at which mean + hw < -.02, or 0 up to `most`.
std::int64_t first_alarm(double mean, double sd, double phi, std::uint32_t sample,
                         std::int64_t most, bool correct, bool gate) {
  SeriesMoments moments;
  double noise = test::normal_of(kKey, sample, 0);
  for (std::int64_t n = 1; n <= most; ++n) {
    if (n > 1)
      noise = phi * noise + std::sqrt(1 - phi * phi) *
                                test::normal_of(kKey, sample, static_cast<std::uint32_t>(n));
    moments.add(mean + sd * noise);
    if (n < 20 || (gate && moments.r1() > 0.3)) continue;
    const double s = moments.sd() * (correct ? correlation_inflation(moments.r1()) : 1.0);
    if (moments.mean() + sequence_half_width(n, s, 0.05) < -0.02) return n;
  }
  return 0;
}

double false_alarms(double phi, bool correct, bool gate, std::uint32_t first) {
  constexpr int kRuns = 2000;
  int alarms = 0;
  for (std::uint32_t i = 0; i < kRuns; ++i)
    alarms += first_alarm(-0.02, 0.1, phi, first + i, 2000, correct, gate) > 0;
  return static_cast<double>(alarms) / kRuns;
}

// T12: A proportion of .041 in 2000 runs has a standard error of .0044.
TEST(Statistics, LookingAtEveryProbeRaisesFewFalseAlarms) {
  const double plain = false_alarms(0, false, false, 0);
  RecordProperty("false_alarms", std::to_string(plain));
  EXPECT_LE(plain, 0.06);
  EXPECT_NEAR(plain, 0.041, 3 * 0.0044);
}

// T12: serial correlation: 18 % and 45 % without, 7 % and 10 % with the inflation; standard errors
// .0086, .011, .0057, .0067.
TEST(Statistics, SerialCorrelationBreaksItAndTheInflationMends) {
  EXPECT_NEAR(false_alarms(0.3, false, false, 10'000), 0.18, 3 * 0.0086);
  EXPECT_NEAR(false_alarms(0.3, true, false, 10'000), 0.07, 3 * 0.0057);
  EXPECT_NEAR(false_alarms(0.6, false, false, 20'000), 0.45, 3 * 0.011);
  EXPECT_NEAR(false_alarms(0.6, true, false, 20'000), 0.10, 3 * 0.0067);
  // The gate at r1 > .3 refuses what is left.
  EXPECT_LE(false_alarms(0.6, true, true, 20'000), 0.06);
}

// Probes until a true mean of -.05 is seen: medians and 90th percentiles of a second simulation in
// Python's own arithmetic (1500 runs: 22 (43), 64 (169), 260 (693) for s = .05, .1, .2). With 1000
// runs here the standard errors are about 4 % each.
TEST(Statistics, ProbesUntilATrueConflictIsSeen) {
  const auto expect = [](double sd, double median, double ninety, std::uint32_t first) {
    std::vector<double> probes;
    for (std::uint32_t i = 0; i < 1000; ++i)
      probes.push_back(
          static_cast<double>(first_alarm(-0.05, sd, 0, first + i, 6000, false, false)));
    std::sort(probes.begin(), probes.end());
    EXPECT_NEAR(probes[500], median, 0.15 * median) << sd;
    EXPECT_NEAR(probes[900], ninety, 0.15 * ninety) << sd;
  };
  expect(0.05, 22, 43, 40'000);
  expect(0.1, 64, 169, 42'000);
  expect(0.2, 260, 693, 44'000);
}

// T13.
TEST(Statistics, CusumWaitsLongWithoutAndShortWithAShift) {
  double quiet = 0, delay = 0;
  constexpr int kRuns = 2000;
  for (std::uint32_t i = 0; i < kRuns; ++i) {
    for (const double shift : {0.0, 1.0}) {
      Cusum cusum;
      std::int64_t step = 0;
      do {
        ++step;
      } while (!cusum.add(
          shift + test::normal_of(kKey, 60'000 + i, static_cast<std::uint32_t>(step)), step));
      (shift > 0 ? delay : quiet) += static_cast<double>(step) / kRuns;
      EXPECT_GE(step, cusum.state().onset);
      EXPECT_GE(cusum.state().onset, 1);
    }
  }
  // Theory 938 and 10.4; standard errors 21 and .12.
  EXPECT_NEAR(quiet, 930, 70);
  EXPECT_NEAR(delay, 10.4, 0.4);
}

TEST(Statistics, CusumFindsTheOnset) {
  std::vector<double> errors;
  for (std::uint32_t i = 0; i < 200; ++i) {
    Cusum cusum;
    for (std::uint32_t step = 1; step <= 200; ++step)
      cusum.add((step > 100 ? 2.0 : -1.0) + test::normal_of(kKey, 70'000 + i, step), step);
    errors.push_back(static_cast<double>(cusum.state().onset) - 101);
  }
  EXPECT_NEAR(*median_of(errors), 0, 1);
}

TEST(Statistics, ProportionsByHand) {
  // z = (.5 - .3) / sqrt(.4 * .6 * (1/100 + 1/100)) = 2.886751
  EXPECT_NEAR(larger_proportion_p_value({50, 100}, {30, 100}), 0.00194621, 1e-7);
  // Fisher: 1 / C(6, 3) for 3 of 3 against 0 of 3.
  EXPECT_NEAR(larger_proportion_p_value({3, 3}, {0, 3}), 0.05, 1e-12);
  // (C(4,3) C(4,1) + 1) / C(8,4)
  EXPECT_NEAR(larger_proportion_p_value({3, 4}, {1, 4}), 17.0 / 70, 1e-12);
  EXPECT_EQ(larger_proportion_p_value({0, 4}, {1, 4}), 1);
  EXPECT_EQ(larger_proportion_p_value({4, 4}, {4, 4}), 1);
  EXPECT_EQ(larger_proportion_p_value({3, 4}, {0, 0}), 1);
  EXPECT_EQ(larger_proportion_p_value({3, 7}, {4, 4}), 1);
}

// The jackknife of a mean is the textbook's standard error, exactly.
TEST(Statistics, JackknifeOfAMean) {
  const std::vector<double> x = {1, 4, 2, 8, 5};
  std::vector<double> without;
  for (const double leave : x) without.push_back((20 - leave) / 4);
  const Interval found = jackknife_interval(4, without);
  const double error = std::sqrt(30.0 / 4 / 5);
  EXPECT_NEAR(found.hi, 4 + 2.776445105197793 * error, 1e-9);
  EXPECT_NEAR(found.lo, 4 - 2.776445105197793 * error, 1e-9);
  const auto mean = mean_interval(x);  // r1 < 0: no inflation
  ASSERT_TRUE(mean);
  EXPECT_NEAR(mean->hi, found.hi, 1e-9);
  EXPECT_FALSE(mean_interval(std::vector<double>{1}));
  EXPECT_FALSE(median_of({}));
  EXPECT_EQ(median_of(x), 4);
}

}  // namespace
}  // namespace ktrain
