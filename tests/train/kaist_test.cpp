#include "train/metrics/kaist.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain::metrics {
namespace {

Target target(double x, double height = 80, int occlusion = 0, bool ignore = false) {
  return {.box = {x, 100, 30, height}, .ignore = ignore, .occlusion = occlusion};
}
Detection found(double x, double score, double height = 80) {
  return {.box = {x, 100, 30, height}, .score = score};
}
KaistSetup reasonable() { return kaist_setups().at(0); }

KaistScore score(const std::vector<ImageTruth>& truth, const std::vector<Detections>& detections,
                 const KaistOptions& options = {}) {
  return kaist_score(truth, detections, reasonable(), options);
}

TEST(Kaist, PerfectRecallHasAFloor) {
  const std::vector<ImageTruth> truth = {{"set06/V000/I00019", {target(50), target(200)}}};
  const std::vector<Detections> all = {{found(50, .9), found(200, .8)}};
  const KaistScore result = score(truth, all);
  EXPECT_EQ(result.recall, 1.0);
  EXPECT_NEAR(result.miss_rate, 1e-10, 1e-16);
  EXPECT_EQ(score(truth, all, {.mlpd = true}).miss_rate, 0.0);
}

TEST(Kaist, NoDetectionsMissEverything) {
  const std::vector<ImageTruth> truth = {{"a", {target(50)}}, {"b", {target(50)}}};
  const KaistScore result = score(truth, std::vector<Detections>(2));
  EXPECT_EQ(result.miss_rate, 1.0);
  EXPECT_EQ(result.recall, 0.0);
  EXPECT_EQ(result.targets, 2);
}

TEST(Kaist, NoTargetsIsNoNumber) {
  const KaistScore result = score({{"a", {}}}, {{found(50, .9)}});
  EXPECT_TRUE(std::isnan(result.miss_rate));
  EXPECT_TRUE(std::isnan(result.recall));
}

TEST(Kaist, TargetsOfImagesWithoutDetectionsCount) {
  const std::vector<ImageTruth> truth = {{"a", {target(50)}}, {"b", {target(50)}}};
  const std::vector<Detections> detections = {{found(50, .9)}, {}};
  EXPECT_EQ(score(truth, detections).recall, .5);
  EXPECT_NEAR(score(truth, detections).miss_rate, .5, 1e-12);
  EXPECT_EQ(score(truth, detections, {.mlpd = true}).recall, 1.0);
}

TEST(Kaist, BeforeTheFirstPointEverythingIsMissed) {
  // One false alarm before the hit, in ten images: FPPI is .1 from the start. The points .01 to
  // .056 miss everything, the five from .1 on nothing.
  std::vector<ImageTruth> truth(10, {"a", {}});
  truth[0].targets = {target(50), target(200)};
  std::vector<Detections> detections(10);
  detections[1] = {found(50, .9)};
  detections[0] = {found(50, .8)};
  EXPECT_NEAR(score(truth, detections).miss_rate, std::pow(.5, 5.0 / 9), 1e-12);
  // The script reads the end of the curve there.
  EXPECT_NEAR(score(truth, detections, {.mlpd = true}).miss_rate, .5, 1e-12);
}

TEST(Kaist, FppiPointsAreExactPowers) {
  // 1779 false alarms in 10,000 images lie between .1778 (rounded) and .17783 (exact): 0.1779 is
  // above both; 1778 alarms lie at .1778, reached by both. 17783 in 100,000 tells them apart.
  std::vector<FppiPoint> curve = {{.9, 0, .5}, {.8, .17781, .9}};
  const double exact = log_average_miss_rate(curve), rounded = log_average_miss_rate(curve, true);
  EXPECT_NEAR(exact, std::exp((5 * std::log(.5) + 4 * std::log(.1)) / 9), 1e-12);
  EXPECT_NEAR(rounded, std::exp((6 * std::log(.5) + 3 * std::log(.1)) / 9), 1e-12);
}

TEST(Kaist, AnIgnoredTargetAbsorbsManySmallDetections) {
  const std::vector<ImageTruth> truth = {
      {"a", {target(50), {.box = {200, 50, 300, 300}, .ignore = true}}}};
  const KaistScore result = score(
      truth, {{found(210, .99), found(260, .98), found(300, .97), found(300, .96), found(50, .9)}});
  EXPECT_EQ(result.targets, 1);
  EXPECT_EQ(result.ignored, 1);
  ASSERT_EQ(result.curve.size(), 1u);
  EXPECT_EQ(result.curve[0].fppi, 0.0);
  EXPECT_EQ(result.recall, 1.0);
}

TEST(Kaist, ARealTargetComesBeforeAnIgnoredOneThatFitsBetter) {
  // 60 % of the detection lies in the real target (IoU over .5), all of it in the ignored region.
  const std::vector<ImageTruth> truth = {{"a", {target(45, 80, 0, true), target(50)}}};
  EXPECT_EQ(score(truth, {{found(45, .9)}}).recall, 1.0);
}

TEST(Kaist, AFreeTargetIsSoughtBesideATakenOne) {
  // Unlike VOC: the second detection fits the first target best, which is taken, and takes the
  // other.
  const std::vector<ImageTruth> truth = {{"a", {target(50), target(58)}}};
  EXPECT_EQ(score(truth, {{found(50, .9), found(52, .8)}}).recall, 1.0);
}

TEST(Kaist, EqualOverlapsTakeTheLastTarget) {
  // The first detection could take either; the second fits only the first target.
  const std::vector<ImageTruth> truth = {{"a", {target(50), target(60)}}};
  const KaistScore result = score(truth, {{found(55, .9), found(48, .8)}});
  EXPECT_EQ(result.recall, 1.0);
}

TEST(Kaist, WhatASetupIgnores) {
  const std::vector<ImageTruth> truth = {{"a",
                                          {target(50),
                                           target(4.9),
                                           target(605.1),
                                           target(100, 54.9),
                                           target(150, 55),
                                           target(200, 80, 1),
                                           target(250, 80, 2),
                                           target(300, 80, 0, true),
                                           {.box = {350, 100, 30, 80}, .label = 1},
                                           {.box = {400, 4, 30, 80}},
                                           {.box = {450, 427.5, 30, 80}},
                                           target(605)}}};
  const KaistScore result = score(truth, std::vector<Detections>(1));
  EXPECT_EQ(result.targets, 4);
  EXPECT_EQ(result.ignored, 8);
}

TEST(Kaist, SmallerFramesScaleHeightsAndBorder) {
  const std::vector<ImageTruth> truth = {{"a",
                                          {{.box = {1.2, 20, 8, 20}},
                                           {.box = {1.3, 20, 8, 20}},
                                           {.box = {30, 20, 8, 13.7}},
                                           {.box = {30, 20, 8, 13.8}}}}};
  const KaistOptions quarter = {.image_width = 160, .image_height = 128};
  EXPECT_EQ(score(truth, std::vector<Detections>(1), quarter).targets, 2);
}

TEST(Kaist, SubsetsByTheSetNumber) {
  EXPECT_TRUE(in_subset("set06/V000/I00019", KaistSubset::kDay));
  EXPECT_TRUE(in_subset("set06/V000/I00019", KaistSubset::kCampus));
  EXPECT_FALSE(in_subset("set06/V000/I00019", KaistSubset::kNight));
  EXPECT_TRUE(in_subset("set10_V001_I00019", KaistSubset::kNight));
  EXPECT_TRUE(in_subset("set10/V001/I00019", KaistSubset::kRoad));
  EXPECT_TRUE(in_subset("set11/V000/I00019", KaistSubset::kDowntown));
  EXPECT_TRUE(in_subset("set05/V000/I00019", KaistSubset::kDowntown));
  EXPECT_TRUE(in_subset("010001", KaistSubset::kAll));
  EXPECT_FALSE(in_subset("010001", KaistSubset::kDay));
  EXPECT_FALSE(in_subset("setting", KaistSubset::kNight));
}

TEST(Kaist, EqualScoresKeepImageOrder) {
  const std::vector<ImageTruth> truth(2, {"a", {target(50)}});
  const KaistScore bad_first = score(truth, {{found(300, .5)}, {found(50, .5)}});
  ASSERT_EQ(bad_first.curve.size(), 2u);
  EXPECT_EQ(bad_first.curve[0].fppi, .5);
  EXPECT_EQ(bad_first.curve[0].recall, 0);
}

TEST(Kaist, SetupsAreIndependent) {
  const std::vector<ImageTruth> truth = {{"a", {target(50, 52), target(100, 90, 2)}}};
  const std::vector<Detections> detections = {{found(50, .9, 52)}};
  std::vector<double> forward, backward;
  const auto setups = kaist_setups();
  for (std::size_t i = 0; i < setups.size(); ++i) {
    forward.push_back(kaist_score(truth, detections, setups[i]).recall);
    backward.insert(backward.begin(),
                    kaist_score(truth, detections, setups[setups.size() - 1 - i]).recall);
  }
  EXPECT_THAT(forward, ::testing::Pointwise(::testing::NanSensitiveDoubleEq(), backward));
  EXPECT_THAT([&] { (void)kaist_score(truth, {}, setups[0]); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("1 images, 0 lists")));
}

}  // namespace
}  // namespace ktrain::metrics
