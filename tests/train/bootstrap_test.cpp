#include "train/metrics/bootstrap.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "kernels/check.h"
#include "train/metrics/kaist.h"
#include "train/metrics/voc.h"

namespace ktrain::metrics {
namespace {

const std::vector<std::string> kPerson = {"person"};

struct Scenes {
  std::vector<ImageTruth> truth;
  std::vector<Detections> found;
};

// Pedestrians on a grid, some to ignore; each is found or not, some twice, and some are made up.
Scenes random_scenes(int images, double finds, unsigned seed) {
  std::mt19937 layout(7), luck(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  Scenes out;
  for (int i = 0; i < images; ++i) {
    ImageTruth image{"set00/V000/I" + std::to_string(i), {}};
    Detections found;
    for (int person = 0; person < 6; ++person) {
      const Box box{40.0 + 90 * person, 100, 30, 80};
      const double kind = uniform(layout);
      if (kind < 0.4)
        image.targets.push_back({.box = box, .ignore = kind<0.06, .occlusion = kind> 0.36});
      const Box near{box.x + 4 * uniform(luck), box.y, box.w, box.h};
      if (uniform(luck) < (kind < 0.4 ? finds : 0.2)) found.push_back({near, uniform(luck)});
      if (uniform(luck) < 0.1) found.push_back({near, uniform(luck)});
    }
    out.truth.push_back(std::move(image));
    out.found.push_back(std::move(found));
  }
  return out;
}

TEST(Outcomes, ScoreAsTheMetricsDo) {
  const Scenes s = random_scenes(60, 0.7, 1);
  const std::vector<std::uint32_t> once(s.truth.size(), 1);
  const VocScore voc = voc_score(s.truth, s.found, kPerson);
  const Outcomes outcomes = voc_outcomes(s.truth, s.found);
  EXPECT_EQ(average_precision(outcomes, once), voc.map_area);
  EXPECT_EQ(eleven_point_precision(outcomes, once), voc.map_eleven);
  EXPECT_EQ(recall(outcomes, once), voc.classes[0].recall);
  const KaistSetup reasonable = kaist_setups()[0];
  EXPECT_EQ(miss_rate(kaist_outcomes(s.truth, s.found, reasonable), once),
            kaist_score(s.truth, s.found, reasonable).miss_rate);
}

// Counting an image twice is having it twice. 1e-12: the same sums in another order.
TEST(Outcomes, CountingAnImageIsHavingItSoOften) {
  const Scenes s = random_scenes(40, 0.6, 2);
  std::mt19937 random(3);
  std::vector<std::uint32_t> times;
  Scenes copies;
  for (std::size_t i = 0; i < s.truth.size(); ++i) {
    times.push_back(random() % 4);
    for (std::uint32_t copy = 0; copy < times.back(); ++copy) {
      copies.truth.push_back(s.truth[i]);
      copies.found.push_back(s.found[i]);
    }
  }
  const VocScore voc = voc_score(copies.truth, copies.found, kPerson);
  const Outcomes outcomes = voc_outcomes(s.truth, s.found);
  EXPECT_NEAR(average_precision(outcomes, times), voc.map_area, 1e-12);
  EXPECT_NEAR(eleven_point_precision(outcomes, times), voc.map_eleven, 1e-12);
  EXPECT_NEAR(recall(outcomes, times), voc.classes[0].recall, 1e-12);
  const KaistSetup reasonable = kaist_setups()[0];
  EXPECT_NEAR(miss_rate(kaist_outcomes(s.truth, s.found, reasonable), times),
              kaist_score(copies.truth, copies.found, reasonable).miss_rate, 1e-12);
}

TEST(Bootstrap, ADetectorDoesNotDifferFromItself) {
  const Scenes s = random_scenes(30, 0.6, 4);
  const Outcomes outcomes = voc_outcomes(s.truth, s.found);
  const Interval same = paired_difference(
      outcomes, outcomes,
      [](const Outcomes& o, std::span<const std::uint32_t> t) { return average_precision(o, t); },
      {});
  EXPECT_EQ(same.value, 0);
  EXPECT_EQ(same.lo, 0);
  EXPECT_EQ(same.hi, 0);
}

// One target an image, so that recall is a mean over images and the interval is known: half its
// width is 1.96 standard errors of the mean difference. With 4000 resamples a percentile has a
// relative error of about 2.7 %; 10 % is over three times that.
TEST(Bootstrap, TheIntervalOfAMeanIsTheKnownOne) {
  std::mt19937 random(5);
  Outcomes left, right;
  double sum = 0, squares = 0;
  const int images = 400;
  for (std::uint32_t i = 0; i < images; ++i) {
    const bool first = random() % 10 < 5, second = random() % 10 < 7;
    left.targets.push_back(1);
    right.targets.push_back(1);
    if (first) left.found.push_back({1.0, i, true});
    if (second) right.found.push_back({1.0, i, true});
    const double d = double(second) - double(first);
    sum += d;
    squares += d * d;
  }
  const double mean = sum / images, error = std::sqrt((squares / images - mean * mean) / images);
  const auto metric = [](const Outcomes& o, std::span<const std::uint32_t> t) {
    return recall(o, t);
  };
  const Interval found = paired_difference(left, right, metric, {.resamples = 4000, .seed = 9});
  EXPECT_NEAR(found.value, mean, 1e-12);
  EXPECT_NEAR((found.hi - found.lo) / 2, 1.96 * error, 0.1 * 1.96 * error);
  EXPECT_NEAR((found.hi + found.lo) / 2, mean, 0.2 * error);
  const Interval again = paired_difference(left, right, metric, {.resamples = 4000, .seed = 9});
  EXPECT_EQ(found.lo, again.lo);
  EXPECT_EQ(found.hi, again.hi);
  const Interval other = paired_difference(left, right, metric, {.resamples = 4000, .seed = 10});
  EXPECT_NE(found.lo, other.lo);
}

TEST(Bootstrap, OtherImagesAreRefused) {
  const Outcomes two{{}, {1, 1}}, three{{}, {1, 1, 1}};
  const auto metric = [](const Outcomes& o, std::span<const std::uint32_t> t) {
    return recall(o, t);
  };
  EXPECT_THROW((void)paired_difference(two, three, metric, {}), Error);
}

}  // namespace
}  // namespace ktrain::metrics
