#include "train/metrics/coco.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/check.h"

namespace ktrain::metrics {
namespace {

struct Case {
  std::vector<ImageTruth> truth;
  std::vector<Detections> detections;
  int classes = 0;
};

Case read_case(const nlohmann::json& json) {
  Case result;
  result.classes = json["classes"];
  result.truth.resize(json["images"]);
  result.detections.resize(json["images"]);
  for (const auto& t : json["targets"])
    result.truth[t[0].get<std::size_t>() - 1].targets.push_back({.box = {t[2], t[3], t[4], t[5]},
                                                                 .label = t[1].get<int>() - 1,
                                                                 .ignore = t[7].get<int>() == 1,
                                                                 .area = t[6]});
  for (const auto& d : json["detections"])
    result.detections[d[0].get<std::size_t>() - 1].push_back(
        {.box = {d[2], d[3], d[4], d[5]}, .score = d[6], .label = d[1].get<int>() - 1});
  return result;
}

// Expected numbers by pycocotools, see coco_random.py. The same sums in the same order but for the
// two means, whose terms numpy adds pairwise: 1e-12 is 1000 roundings of numbers below 1.
TEST(Coco, AgreesWithPycocotoolsOnRandomCases) {
  std::ifstream file(KT_SOURCE_DIR "/tests/reference/coco_random.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  ASSERT_EQ(cases.size(), 20u);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case one = read_case(cases[i]);
    const CocoScore score = coco_score(one.truth, one.detections, one.classes);
    for (std::size_t k = 0; k < 12; ++k)
      EXPECT_NEAR(score.values[k], cases[i]["expected"][k].get<double>(), 1e-12)
          << "case " << i << " " << kCocoNames[k];
  }
}

TEST(Coco, NothingToFindIsMinusOne) {
  const std::vector<ImageTruth> truth(1);
  const std::vector<Detections> detections = {{{.box = {0, 0, 9, 9}, .score = 1}}};
  for (const double value : coco_score(truth, detections, 1).values) EXPECT_EQ(value, -1);
}

TEST(Coco, PerfectDetections) {
  const std::vector<ImageTruth> truth = {{"a", {{.box = {0, 0, 100, 100}}}}};
  const std::vector<Detections> detections = {{{.box = {0, 0, 100, 100}, .score = 1}}};
  const CocoScore score = coco_score(truth, detections, 1);
  for (const std::size_t k : {0u, 1u, 2u, 5u, 6u, 7u, 8u, 11u})
    EXPECT_NEAR(score.values[k], 1, 1e-12) << kCocoNames[k];
  for (const std::size_t k : {3u, 4u, 9u, 10u}) EXPECT_EQ(score.values[k], -1) << kCocoNames[k];
}

TEST(Coco, RefusesUnknownLabels) {
  const std::vector<ImageTruth> truth = {{"a", {{.box = {0, 0, 1, 1}, .label = 1}}}};
  EXPECT_THAT([&] { (void)coco_score(truth, std::vector<Detections>(1), 1); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("label 1 of 1 classes")));
}

}  // namespace
}  // namespace ktrain::metrics
