#include "kernels/assign.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/anchors.h"
#include "kernels/check.h"
#include "kernels/iou.h"
#include "kernels/parallel.h"
#include "tests/support/boxes.h"
#include "tests/support/reference.h"

namespace ktrain {
namespace {

using test::one_list;
using test::rows;
using test::span;
using testing::ElementsAre;

template <class T>
std::vector<std::int32_t> run(const AssignInput<T>& input, std::int64_t images,
                              const AssignRule& rule, std::vector<T>* overlap_out = nullptr) {
  const auto size = static_cast<std::size_t>(images * input.boxes.capacity);
  std::vector<std::int32_t> match(size, 99);
  std::vector<T> overlap(size, 99);
  std::vector<std::byte> scratch(static_cast<std::size_t>(
      assign_scratch_bytes<T>(images, input.boxes.capacity, input.targets.capacity)));
  cpu::assign(input, rows(match, input.boxes.capacity), rows(overlap, input.boxes.capacity),
              span(scratch), rule);
  if (overlap_out) *overlap_out = overlap;
  return match;
}

TEST(Assign, AgreesWithPyTorch) {
  const test::Reference reference("assign.txt");
  const std::vector<PyramidLevel> levels = {{12, 16, 4}, {6, 8, 8}, {3, 4, 16}, {2, 2, 32}};
  const auto size = static_cast<std::size_t>(num_anchors(span(levels)));
  std::vector<float> anchors(size * 4);
  cpu::make_anchors(span(levels), {}, rows(anchors, 4));
  const auto valid = reference.get<std::uint8_t>("valid");
  const auto targets = reference.get<float>("targets"), ignored = reference.get<float>("ignored");
  const auto proposals = reference.get<float>("proposals");
  const std::vector<std::int32_t> counts = {0, 1, 2, 3, 4, 5, 6};

  const auto compare = [&](const char* name, const std::vector<float>& boxes, bool masked,
                           std::size_t num_targets, std::size_t num_ignored,
                           const AssignRule& rule) {
    AssignInput<float> input;
    input.boxes = one_list(boxes);
    if (masked) input.valid = rows(valid, static_cast<std::int64_t>(size));
    input.targets = {targets.data(), &counts[num_targets], 1, 6};
    input.ignored = {ignored.data(), &counts[num_ignored], 1, 2};
    EXPECT_EQ(run(input, 1, rule), reference.get<std::int32_t>(name)) << name;
  };
  compare("rpn", anchors, true, 6, 0, kRpnAssign);
  compare("rpn_ignore", anchors, true, 6, 2, kRpnAssign);
  compare("rpn_three_targets", anchors, true, 3, 1, kRpnAssign);
  compare("rpn_no_target", anchors, true, 0, 2, kRpnAssign);
  compare("roi", proposals, false, 6, 0, kRoiAssign);
  compare("roi_ignore", proposals, false, 6, 2, kRoiAssign);
}

// The rule, with the whole matrix.
std::vector<std::int32_t> slow_assign(const double* boxes, std::int64_t size, const double* targets,
                                      std::int64_t num_targets, const AssignRule& rule) {
  std::vector<std::int32_t> match;
  std::vector<double> best(static_cast<std::size_t>(num_targets), -1);
  for (std::int64_t i = 0; i < size; ++i) {
    double most = num_targets == 0 ? 0 : -1;
    std::int32_t which = 0;
    for (std::int64_t t = 0; t < num_targets; ++t) {
      const double o = box_overlap(targets + t * 4, boxes + i * 4, Overlap::kIou);
      best[static_cast<std::size_t>(t)] = std::max(best[static_cast<std::size_t>(t)], o);
      if (o > most) {
        most = o;
        which = static_cast<std::int32_t>(t);
      }
    }
    match.push_back(num_targets > 0 && most >= rule.positive_iou ? which
                    : most < rule.negative_iou                   ? kNegative
                                                                 : kUnused);
  }
  for (std::int64_t t = 0; rule.low_quality && t < num_targets; ++t) {
    const double b = best[static_cast<std::size_t>(t)];
    for (std::int64_t i = 0; i < size; ++i)
      if (b >= rule.low_quality_iou &&
          box_overlap(targets + t * 4, boxes + i * 4, Overlap::kIou) == b)
        match[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(t);
  }
  return match;
}

TEST(Assign, BatchesAndTilesAgreeWithTheSlowRuleOnAnyNumberOfThreads) {
  const std::int64_t images = 3, size = 1291, capacity = 17;  // two tiles and a piece
  const auto boxes = test::random_boxes<double>(static_cast<std::size_t>(size), 1, 100, 40);
  const auto targets = test::random_boxes<double>(3 * 17, 2, 100, 40);
  const std::vector<std::int32_t> counts = {17, 0, 5};
  AssignInput<double> input;
  input.boxes = one_list(boxes);
  input.targets = {targets.data(), counts.data(), images, capacity};
  const int threads = num_threads();
  for (const int used : {1, 3}) {
    set_num_threads(used);
    for (const AssignRule& rule : {kRpnAssign, kRoiAssign}) {
      std::vector<std::int32_t> want;
      for (std::int64_t n = 0; n < images; ++n) {
        const auto one = slow_assign(boxes.data(), size, targets.data() + n * capacity * 4,
                                     counts[static_cast<std::size_t>(n)], rule);
        want.insert(want.end(), one.begin(), one.end());
      }
      EXPECT_EQ(run(input, images, rule), want);
    }
  }
  set_num_threads(threads);
}

TEST(Assign, PaddedProposalsAreUnused) {
  const std::vector<float> boxes = {0, 0, 10, 10, 50, 50, 60, 60, 0, 0, 10, 10, 0, 0, 10, 10};
  const std::vector<std::int32_t> box_counts = {2, 0}, target_counts = {1, 1};
  const std::vector<float> targets = {0, 0, 10, 9, 0, 0, 10, 10};
  AssignInput<float> input;
  input.boxes = {boxes.data(), box_counts.data(), 2, 2};
  input.targets = {targets.data(), target_counts.data(), 2, 1};
  std::vector<float> overlap;
  EXPECT_THAT(run(input, 2, kRoiAssign, &overlap), ElementsAre(0, kNegative, kUnused, kUnused));
  EXPECT_THAT(overlap, ElementsAre(0.9f, 0.0f, -1.0f, -1.0f));
}

TEST(Assign, LaterTargetsOverwriteEarlierOnes) {
  // Both targets have their best, 0.5, at the one box; between the thresholds without low quality.
  const std::vector<double> boxes = {0, 0, 10, 10}, targets = {0, 0, 10, 5, 0, 5, 10, 10};
  const std::vector<std::int32_t> two = {2};
  AssignInput<double> input;
  input.boxes = one_list(boxes);
  input.targets = {targets.data(), two.data(), 1, 2};
  EXPECT_THAT(run(input, 1, kRpnAssign), ElementsAre(1));
  EXPECT_THAT(run(input, 1, {0.7, 0.3, 0.3, false, 0.5}), ElementsAre(kUnused));
  EXPECT_THAT(run(input, 1, kRoiAssign), ElementsAre(0));  // 0.5 reaches 0.5; the first of equals
}

TEST(Assign, AnIgnoredCandidateIsNobodysBest) {
  const std::vector<double> boxes = {0, 0, 10, 10, 0, 0, 10, 20}, targets = {0, 0, 10, 10},
                            ignored = {0, 0, 10, 5.5};
  const std::vector<std::int32_t> one = {1};
  AssignInput<double> input;
  input.boxes = one_list(boxes);
  input.targets = {targets.data(), one.data(), 1, 1};
  input.ignored = {ignored.data(), one.data(), 1, 1};
  // The first box is covered by 0.55 and drops out; the second, IoU 0.5, becomes the best.
  EXPECT_THAT(run(input, 1, kRpnAssign), ElementsAre(kUnused, 0));
}

TEST(Assign, NanBoxesAreUnused) {
  const std::vector<float> boxes = {NAN, NAN, NAN, NAN}, targets = {0, 0, 10, 10};
  const std::vector<std::int32_t> one = {1};
  AssignInput<float> input;
  input.boxes = one_list(boxes);
  input.targets = {targets.data(), one.data(), 1, 1};
  EXPECT_THAT(run(input, 1, kRpnAssign), ElementsAre(kUnused));
}

TEST(Assign, WrongShapesAreErrors) {
  const std::vector<float> boxes(8);
  std::vector<std::int32_t> match(3);
  std::vector<float> overlap(3);
  AssignInput<float> input;
  input.boxes = one_list(boxes);
  try {
    cpu::assign(input, rows(match, 3), rows(overlap, 3), Span<std::byte>{}, kRpnAssign);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("assign: 1 lists of 2 candidates, match 1x3"));
  }
}

}  // namespace
}  // namespace ktrain
