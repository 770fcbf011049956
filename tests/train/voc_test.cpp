#include "train/metrics/voc.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<std::string> kPerson = {"person"};

Target target(double x, bool ignore = false, int label = 0) {
  return {.box = {x, 10, 20, 40}, .label = label, .ignore = ignore};
}
Detection found(double x, double score, int label = 0) {
  return {.box = {x, 10, 20, 40}, .score = score, .label = label};
}
ImageTruth image(std::vector<Target> targets) { return {"image", std::move(targets)}; }

VocClass score(const std::vector<ImageTruth>& truth, const std::vector<Detections>& detections,
               const VocOptions& options = {}) {
  return voc_score(truth, detections, kPerson, options).classes.at(0);
}

// A curve of 6,870 targets and 14,301 detections that ends at recall .734.
TEST(Voc, ElevenPointsOfAFailedRunFillEightBins) {
  std::vector<PrPoint> curve;
  const int gts = 6870, dets = 14301, hits = 5043;
  for (int i = 0; i < dets; ++i) {
    const double tp = std::min(i + 1, hits);
    curve.push_back({1.0 - i * 1e-5, tp / gts, tp / (i + 1)});
  }
  EXPECT_NEAR(curve.back().recall, .734, 5e-4);
  EXPECT_EQ(filled_bins(curve), 8);
  // All hits come first: precision 1 up to the end, so AP is the share of bins and the recall.
  EXPECT_NEAR(average_precision(curve, ApKind::kElevenPoint), 8.0 / 11, 1e-12);
  EXPECT_NEAR(average_precision(curve, ApKind::kArea), hits / double(gts), 1e-12);
}

TEST(Voc, OneLostBinCostsItsPrecision) {
  const std::vector<PrPoint> reaches = {{.9, .35, 1}, {.5, .82, .6}};
  const std::vector<PrPoint> loses = {{.9, .35, 1}, {.5, .79, .6}};
  EXPECT_EQ(filled_bins(reaches), 9);
  EXPECT_EQ(filled_bins(loses), 8);
  EXPECT_NEAR(average_precision(reaches, ApKind::kElevenPoint) -
                  average_precision(loses, ApKind::kElevenPoint),
              .6 / 11, 1e-12);
}

TEST(Voc, PerfectAndEmpty) {
  const VocClass perfect =
      score({image({target(0), target(100)})}, {{found(0, .9), found(100, .8)}});
  EXPECT_EQ(perfect.ap_eleven, 1.0);
  EXPECT_EQ(perfect.ap_area, 1.0);
  EXPECT_EQ(perfect.bins, 11);
  const VocClass nothing = score({image({target(0)})}, {{}});
  EXPECT_EQ(nothing.recall, 0.0);
  EXPECT_EQ(nothing.ap_eleven, 0.0);
  EXPECT_EQ(nothing.ap_area, 0.0);
  EXPECT_EQ(filled_bins({}), 0);
  const VocClass no_targets = score({image({})}, {{found(0, .9)}});
  EXPECT_TRUE(std::isnan(no_targets.ap_area));
  EXPECT_EQ(no_targets.dets, 1);
}

TEST(Voc, ASecondTakerIsAFalseAlarmAndSeeksNoOther) {
  // Both detections overlap target 0 most; target 6 pixels away also passes 0.5 for them.
  const VocClass entry = score({image({target(0), target(6)})}, {{found(0, .9), found(1, .8)}});
  ASSERT_EQ(entry.curve.size(), 2u);
  EXPECT_EQ(entry.recall, .5);
  EXPECT_EQ(entry.curve[1].precision, .5);
}

TEST(Voc, AnIgnoredTargetSwallowsWhatFitsItBest) {
  const VocClass entry = score({image({target(0), target(100, true)})},
                               {{found(100, .9), found(100, .85), found(0, .8)}});
  EXPECT_EQ(entry.gts, 1);
  EXPECT_EQ(entry.ignored, 1);
  EXPECT_EQ(entry.dets, 3);
  EXPECT_EQ(entry.curve.back().precision, 1.0);
  EXPECT_EQ(entry.ap_area, 1.0);
  // Plain IoU: a small detection inside a large ignored region is a false alarm.
  const std::vector<ImageTruth> crowd = {
      {"image", {target(0), {.box = {100, 0, 200, 200}, .ignore = true}}}};
  EXPECT_LT(score(crowd, {{found(120, .9), found(0, .8)}}).ap_area, 1.0);
}

TEST(Voc, EqualOverlapsPreferTheRealTargetAndTheFirst) {
  const VocClass entry = score({image({target(0, true), target(0)})}, {{found(0, .9)}});
  EXPECT_EQ(entry.recall, 1.0);
}

TEST(Voc, PlusOneMovesTheThreshold) {
  // 1-pixel boxes two pixels wide and shifted by one: IoU 1/3 by width, (2*2)/(3*2+3*2-4) = 1/2
  // with the legacy pixel.
  const std::vector<ImageTruth> truth = {{"image", {{.box = {0, 0, 2, 1}}}}};
  const std::vector<Detections> detections = {{{.box = {1, 0, 2, 1}, .score = 1}}};
  EXPECT_EQ(score(truth, detections, {.legacy_plus_one = true}).recall, 1.0);
  EXPECT_EQ(score(truth, detections, {.legacy_plus_one = false}).recall, 0.0);
}

TEST(Voc, EqualScoresKeepTheirOrder) {
  // The image's order decides among equal scores, not the machine's sort.
  const std::vector<ImageTruth> truth = {image({target(0)}), image({target(0)})};
  const VocClass good_first = score(truth, {{found(0, .5)}, {found(300, .5)}});
  const VocClass bad_first = score(truth, {{found(300, .5)}, {found(0, .5)}});
  EXPECT_EQ(good_first.curve[0].precision, 1.0);
  EXPECT_EQ(bad_first.curve[0].precision, 0.0);
}

TEST(Voc, ClassesAreApartAndTheMeanSkipsThoseWithoutTargets) {
  const std::vector<std::string> names = {"person", "car", "dog"};
  const std::vector<ImageTruth> truth = {image({target(0), target(100, false, 1)})};
  const std::vector<Detections> detections = {{found(0, .9), found(100, .9, 0), found(100, .8, 2)}};
  const VocScore result = voc_score(truth, detections, names);
  EXPECT_EQ(result.classes[0].ap_area, 1.0);
  EXPECT_EQ(result.classes[1].ap_area, 0.0);
  EXPECT_TRUE(std::isnan(result.classes[2].ap_area));
  EXPECT_EQ(result.map_area, 0.5);
  EXPECT_EQ(voc_table(result, ApKind::kArea),
            "+--------+-----+------+--------+-------+\n"
            "| class  | gts | dets | recall | ap    |\n"
            "+--------+-----+------+--------+-------+\n"
            "| person | 1   | 2    | 1.000  | 1.000 |\n"
            "| car    | 1   | 0    | 0.000  | 0.000 |\n"
            "| dog    | 0   | 1    | n/a    | n/a   |\n"
            "+--------+-----+------+--------+-------+\n"
            "| mAP    |     |      |        | 0.500 |\n"
            "+--------+-----+------+--------+-------+\n");
}

TEST(Voc, RefusesWhatItCannotScore) {
  const std::vector<ImageTruth> truth = {image({})};
  EXPECT_THAT([&] { (void)voc_score(truth, {}, kPerson); },
              ThrowsMessage<Error>(HasSubstr("1 images, 0 lists")));
  const std::vector<Detections> wrong = {{found(0, .5, 1)}};
  EXPECT_THAT([&] { (void)voc_score(truth, wrong, kPerson); },
              ThrowsMessage<Error>(HasSubstr("label 1 of 1 classes")));
  const std::vector<Detections> nan = {{found(0, NAN)}};
  EXPECT_THAT([&] { (void)voc_score(truth, nan, kPerson); },
              ThrowsMessage<Error>(HasSubstr("score nan")));
}

}  // namespace
}  // namespace ktrain::metrics
