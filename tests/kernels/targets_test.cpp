#include "kernels/targets.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/boxes.h"

namespace ktrain {
namespace {

using test::rows;
using test::span;
using testing::ElementsAre;

TEST(AnchorTargets, EncodesChosenPositivesOnly) {
  const auto anchors = test::random_boxes<double>(3, 1, 50, 50),
             targets = test::random_boxes<double>(4, 2, 50, 50);
  const std::vector<std::int32_t> match = {1, -1, 0, -2, 1, 1}, labels = {1, 0, -1, -1, -1, 1};
  std::vector<double> deltas(24, 9), want(24, 0);
  std::vector<std::int32_t> slots(6, 9);
  const std::vector<std::int32_t> counts = {2, 2};
  cpu::anchor_targets(rows(anchors, 4), {targets.data(), counts.data(), 2, 2}, rows(match, 3),
                      rows(labels, 3), rows(deltas, 4), span(slots));
  encode_box(&anchors[0], &targets[4], BoxCoding{}, &want[0]);
  encode_box(&anchors[8], &targets[12], BoxCoding{}, &want[20]);
  EXPECT_THAT(slots, ElementsAre(0, -1, -1, -1, -1, 0));
  EXPECT_EQ(deltas, want);
}

TEST(RoiTargets, UsesTheClassAsSlotAndTheCoding) {
  const auto rois = test::random_boxes<double>(4, 1, 50, 50),
             targets = test::random_boxes<double>(4, 2, 50, 50);
  const std::vector<std::int32_t> labels = {1, 2, -1, 0}, matched = {0, -1, -1, 1},
                                  image = {1, 0, -1, 0}, counts = {2, 2};
  std::vector<double> deltas(16, 9), want(16, 0);
  std::vector<std::int32_t> slots(4, 9);
  cpu::roi_targets<double>({rows(rois, 4), span(labels), span(matched), span(image)},
                           {targets.data(), counts.data(), 2, 2}, rows(deltas, 4), span(slots),
                           kRoiCoding);
  encode_box(&rois[0], &targets[8], kRoiCoding, &want[0]);
  encode_box(&rois[12], &targets[4], kRoiCoding, &want[12]);
  EXPECT_THAT(slots, ElementsAre(1, -1, -1, 0));
  EXPECT_EQ(deltas, want);
}

TEST(Targets, EmptyAndWrongShapes) {
  cpu::anchor_targets<float>({nullptr, 0, 4}, {}, {nullptr, 2, 0}, {nullptr, 2, 0}, {nullptr, 0, 4},
                             {});
  std::vector<float> one(4);
  std::vector<std::int32_t> index(1);
  try {
    cpu::roi_targets<float>({{one.data(), 1, 4}, {index.data(), 1}, {index.data(), 1}, {}}, {},
                            {one.data(), 1, 4}, span(index), kRoiCoding);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::StartsWith("roi_targets: rois is 1x4, 1 labels, 1 targets, 0 images"));
  }
}

}  // namespace
}  // namespace ktrain
