#include <algorithm>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/box_codec.h"
#include "kernels/iou.h"
#include "runtime/ops.h"
#include "runtime/ops_detection.h"
#include "runtime/random.h"
#include "tests/support/message.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

using test::random_leaf;
using test::tape_error;
using testing::Each;
using testing::ElementsAre;

Tensor integers(const ContextPtr& c, const Shape& shape, const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>(c, shape, values);
}

Tensor floats(const ContextPtr& c, const Shape& shape, const std::vector<float>& values) {
  return Tensor::from<float>(c, shape, values);
}

TEST(BceOp, GradientUnderARandomCotangent) {
  const ContextPtr c = make_cpu_context();
  const Tensor labels = integers(c, {2, 3}, {1, 0, -1, -1, 1, 0}), avg = filled(c, {1}, 3);
  EXPECT_LT(tape_error([&](const auto& t) { return bce(t[0], labels, avg); },
                       {random_leaf(c, {2, 3}, 1)}),
            5e-3);  // see tape_error
}

TEST(BoxLossOp, GradientUnderARandomCotangentInAnyShape) {
  const ContextPtr c = make_cpu_context();
  const Tensor target = random_leaf(c, {4, 4}, 2).detached(), avg = filled(c, {1}, 2);
  const Tensor slots = integers(c, {4}, {0, 1, -1, 1});
  // |d| stays in the linear or in the quadratic part by the choice of beta; see tape_error.
  for (const double beta : {1e-3, 10.0}) {
    const auto op = [&](const auto& t) { return box_loss(t[0], target, slots, avg, beta); };
    EXPECT_LT(tape_error(op, {random_leaf(c, {4, 8}, 1, 2, 3)}), 5e-3);
    EXPECT_LT(tape_error(op, {random_leaf(c, {2, 16}, 1, 2, 3)}), 5e-3);
  }
  EXPECT_THAT(test::message_of([&] { (void)box_loss(filled(c, {7}, 0), target, slots, avg); }),
              testing::StartsWith("box_loss: x has 7 elements for 4 slots"));
}

// Two images of 64 x 64 and 40 x 64 with targets and an ignore region, a pyramid of two levels.
struct Scene {
  ContextPtr context = make_cpu_context();
  AnchorGrid grid{{{16, 16, 4}, {8, 8, 8}}, {}};
  Tensor sizes = integers(context, {2, 2}, {64, 64, 40, 64});
  Tensor anchors = make_anchors(context, grid);
  Tensor valid = anchor_validity(grid, sizes, 32);
  TargetTensors targets{
      {floats(context, {2, 2, 4}, {5, 5, 30, 40, 20, 10, 60, 60, 10, 8, 40, 36, 0, 0, 0, 0}),
       integers(context, {2}, {2, 1})},
      integers(context, {2, 2}, {0, 1, 1, 0}),
      {floats(context, {2, 1, 4}, {0, 0, 64, 20, 0, 0, 0, 0}), integers(context, {2}, {1, 0})}};
  Tensor counters = integers(context, {2, 2}, {3, 100, 3, 101});

  [[nodiscard]] Draw draw(RandomStream stream) const { return {random_key(7, stream), counters}; }
};

TEST(DetectionOps, AnchorsTrainTowardsTheTargetTheyMatch) {
  const Scene s;
  const Tensor match = assign_anchors(s.anchors, s.valid, s.targets, kRpnAssign);
  ASSERT_EQ(match.shape(), (Shape{2, 960}));
  const SampleRule rule{32, 16};
  const auto set =
      anchor_training_set(s.anchors, match, s.targets, s.draw(RandomStream::kRpnSamples), rule);
  const auto labels = set.labels.to_vector<std::int32_t>(),
             matches = match.to_vector<std::int32_t>(), slots = set.slots.to_vector<std::int32_t>(),
             counts = set.counts.to_vector<std::int32_t>();
  const auto anchors = s.anchors.to_vector<float>(), deltas = set.deltas.to_vector<float>(),
             boxes = s.targets.boxes.boxes.to_vector<float>();
  EXPECT_EQ(set.avg_factor.item(), 64.0f);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    ASSERT_EQ(slots[i], labels[i] == 1 ? 0 : -1);
    ASSERT_TRUE(labels[i] != 0 || matches[i] == kNegative);
    if (labels[i] != 1) continue;
    const std::size_t n = i / 960;
    ASSERT_GE(matches[i], 0);
    std::vector<float> back(4);
    decode_box(&anchors[i % 960 * 4], &deltas[i * 4], BoxCoding{}, back.data());
    const float* want = &boxes[(n * 2 + static_cast<std::size_t>(matches[i])) * 4];
    for (std::size_t k = 0; k < 4; ++k) ASSERT_NEAR(back[k], want[k], 1e-4);  // 64 pixels
  }
  const auto positives = std::count(labels.begin(), labels.begin() + 960, 1);
  EXPECT_GT(positives, 0);
  EXPECT_EQ(counts[0], positives);
  EXPECT_EQ(counts[1], 32 - positives);
}

TEST(DetectionOps, RegionsComeFromProposalsAndTargets) {
  const Scene s;
  const Tensor logits = random_leaf(s.context, {2, 960}, 1, -3, 3),
               deltas = random_leaf(s.context, {2, 960 * 4}, 2, -0.3f, 0.3f);
  const Proposals found = propose(s.grid, s.anchors, logits, deltas, s.sizes, {100, 60, 0.7});
  EXPECT_FALSE(found.boxes.boxes.requires_grad());
  EXPECT_THAT(found.boxes.counts.to_vector<std::int32_t>(), ElementsAre(60, 60));
  const Tensor match = assign_boxes(found.boxes, s.targets, kRoiAssign);
  RoiSampling sampling;
  sampling.rule = {16, 4};
  sampling.num_classes = 2;
  const auto set =
      roi_training_set(found.boxes, match, s.targets, s.draw(RandomStream::kRoiSamples), sampling);
  EXPECT_EQ(set.avg_factor.item(), 32.0f);
  const auto labels = set.labels.to_vector<std::int32_t>(),
             targets = set.targets.to_vector<std::int32_t>(),
             image = set.image.to_vector<std::int32_t>();
  const auto rois = set.rois.to_vector<float>(), boxes = s.targets.boxes.boxes.to_vector<float>();
  for (std::size_t i = 0; i < 32; ++i) {
    ASSERT_EQ(image[i], static_cast<std::int32_t>(i / 16));
    if (targets[i] < 0) {
      ASSERT_EQ(labels[i], 2);
      continue;
    }
    const std::size_t at = (i / 16 * 2 + static_cast<std::size_t>(targets[i]));
    EXPECT_GE(box_overlap(&rois[i * 4], &boxes[at * 4], Overlap::kIou), 0.5f);
    EXPECT_EQ(labels[i], s.targets.classes.to_vector<std::int32_t>()[at]);
  }
  EXPECT_GE(targets[0], 0);
  EXPECT_EQ(set.slots.to_vector<std::int32_t>()[0], labels[0]);
}

TEST(DetectionOps, ProposalsAreDetectedInOriginalPixels) {
  const ContextPtr c = make_cpu_context();
  const BoxTensor rois{floats(c, {2, 2, 4}, {0, 0, 8, 8, 20, 20, 30, 30, 4, 4, 8, 8, 9, 9, 9, 9}),
                       integers(c, {2}, {2, 1})};
  EXPECT_THAT(image_of_rows(rois).to_vector<std::int32_t>(), ElementsAre(0, 0, 1, -1));
  const RoiPredictions predictions{floats(c, {4, 2}, {0.1f, 0.9f, 0.7f, 0.3f, 0.8f, 0.2f, 1, 0}),
                                   filled(c, {4, 4}, 0)};
  DetectionRule rule;
  rule.per_image = 2;
  rule.score_threshold = 0.5;
  const auto found = detect(rois, predictions, integers(c, {2, 2}, {40, 40, 40, 40}),
                            floats(c, {2, 2}, {1, 1, 2, 4}), rule);
  EXPECT_THAT(found.boxes.counts.to_vector<std::int32_t>(), ElementsAre(1, 1));
  EXPECT_THAT(found.boxes.boxes.to_vector<float>(),
              ElementsAre(20, 20, 30, 30, 0, 0, 0, 0, 2, 1, 4, 2, 0, 0, 0, 0));
  EXPECT_THAT(found.scores.to_vector<float>(), ElementsAre(0.7f, 0, 0.8f, 0));
  EXPECT_THAT(found.labels.to_vector<std::int32_t>(), ElementsAre(0, -1, 0, -1));
}

TEST(DetectionOps, AStepTakesNoNewMemoryTheSecondTime) {
  const Scene s;
  const Tensor logits = random_leaf(s.context, {2, 960}, 1),
               deltas = random_leaf(s.context, {2, 3840}, 2);
  const auto step = [&] {
    const auto anchor_set =
        anchor_training_set(s.anchors, assign_anchors(s.anchors, s.valid, s.targets, kRpnAssign),
                            s.targets, s.draw(RandomStream::kRpnSamples), kRpnSample);
    const Proposals found = propose(s.grid, s.anchors, logits, deltas, s.sizes, kTrainProposals);
    return roi_training_set(found.boxes, assign_boxes(found.boxes, s.targets, kRoiAssign),
                            s.targets, s.draw(RandomStream::kRoiSamples), {})
        .rois.to_vector<float>();
  };
  const auto first = step();
  const std::int64_t before = s.context->memory.usage().growths;
  EXPECT_EQ(step(), first);
  EXPECT_EQ(s.context->memory.usage().growths, before);
}

TEST(DetectionOps, PlanningLeavesMemoryAlone) {
  const Scene s;
  const Tensor logits = random_leaf(s.context, {2, 960}, 1),
               deltas = random_leaf(s.context, {2, 3840}, 2);
  s.context->queue.planning = true;
  const Proposals found = propose(s.grid, s.anchors, logits, deltas, s.sizes, kTrainProposals);
  const auto set = roi_training_set(found.boxes, assign_boxes(found.boxes, s.targets, kRoiAssign),
                                    s.targets, s.draw(RandomStream::kRoiSamples), {});
  s.context->queue.planning = false;
  EXPECT_EQ(set.rois.shape(), (Shape{1024, 4}));
}

}  // namespace
}  // namespace ktrain
