#include "kernels/sample.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "tests/support/boxes.h"

namespace ktrain {
namespace {

using test::rows;
using test::span;
using testing::ElementsAre;

std::vector<std::byte> scratch_for(std::int64_t images, const SampleRule& rule) {
  return std::vector<std::byte>(static_cast<std::size_t>(sample_scratch_bytes(images, rule)));
}

struct AnchorSample {
  std::vector<std::int32_t> labels, counts;
};

AnchorSample run(const std::vector<std::int32_t>& match, std::int64_t images,
                 const SampleDraw& draw, const SampleRule& rule) {
  AnchorSample out{std::vector<std::int32_t>(match.size(), 9),
                   std::vector<std::int32_t>(static_cast<std::size_t>(images) * 2, 9)};
  const auto cols = static_cast<std::int64_t>(match.size()) / images;
  auto scratch = scratch_for(images, rule);
  cpu::sample_anchors(rows(match, cols), draw, rows(out.labels, cols), rows(out.counts, 2),
                      span(scratch), rule);
  return out;
}

std::vector<std::int32_t> pattern(std::int64_t size, int positives_in_100) {
  std::vector<std::int32_t> match;
  for (std::int64_t i = 0; i < size; ++i) {
    const auto kind = i * 37 % 100;
    match.push_back(kind < positives_in_100 ? 3 : kind < 90 ? kNegative : kUnused);
  }
  return match;
}

TEST(SampleAnchors, FillsWithNegativesAndNeverTouchesOthers) {
  const std::vector<std::int32_t> counters = {4, 17};
  const SampleDraw draw{{.seed = 1, .stream = 2}, rows(counters, 2), {}};
  for (const int percent : {0, 1, 80}) {
    const auto match = pattern(3000, percent);
    const AnchorSample got = run(match, 1, draw, kRpnSample);
    const int positives = std::min(128, percent * 30);
    EXPECT_THAT(got.counts, ElementsAre(positives, 256 - positives));
    EXPECT_EQ(std::count(got.labels.begin(), got.labels.end(), 1), positives);
    EXPECT_EQ(std::count(got.labels.begin(), got.labels.end(), 0), 256 - positives);
    for (std::size_t i = 0; i < match.size(); ++i) {
      if (got.labels[i] == -1) continue;
      ASSERT_EQ(match[i], got.labels[i] == 1 ? 3 : kNegative);
    }
  }
}

TEST(SampleAnchors, ChoosesTheSmallestKeys) {
  const auto match = pattern(500, 40);
  const std::vector<std::int32_t> counters = {4, 17};
  const RandomKey key{.seed = 1, .stream = 2, .epoch = 4};
  const AnchorSample got = run(match, 1, {key, rows(counters, 2), {}}, {50, 20});
  std::vector<std::int32_t> want(500, -1), order(500);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return order_key(key, 17, static_cast<std::uint32_t>(a)) <
           order_key(key, 17, static_cast<std::uint32_t>(b));
  });
  int positives = 0, negatives = 0;
  for (const std::int32_t i : order) {
    const auto at = static_cast<std::size_t>(i);
    if (match[at] >= 0 && positives < 20 && ++positives) want[at] = 1;
    if (match[at] == kNegative && negatives < 30 && ++negatives) want[at] = 0;
  }
  EXPECT_EQ(got.labels, want);
}

TEST(SampleAnchors, DependsOnTheSampleAndTheEpochAlone) {
  const std::vector<std::int32_t> one = pattern(3000, 30);
  std::vector<std::int32_t> two = one;
  two.insert(two.end(), one.begin(), one.end());
  const std::vector<std::int32_t> counters = {4, 17, 4, 18}, alone = {4, 18}, later = {5, 18};
  const RandomKey key{.seed = 1, .stream = 2};
  const int threads = num_threads();
  set_num_threads(3);
  const AnchorSample batch = run(two, 2, {key, rows(counters, 2), {}}, kRpnSample);
  set_num_threads(1);
  const AnchorSample same = run(one, 1, {key, rows(alone, 2), {}}, kRpnSample);
  set_num_threads(threads);
  const std::vector<std::int32_t> first(batch.labels.begin(), batch.labels.begin() + 3000),
      second(batch.labels.begin() + 3000, batch.labels.end());
  EXPECT_EQ(second, same.labels);
  EXPECT_NE(first, second);
  EXPECT_NE(run(one, 1, {key, rows(later, 2), {}}, kRpnSample).labels, same.labels);
  EXPECT_NE(run(one, 1, {{.seed = 2, .stream = 2}, rows(alone, 2), {}}, kRpnSample).labels,
            same.labels);
}

TEST(SampleAnchors, IsEven) {
  // 20 of 100 negatives in each of 2000 draws: 400 times each, standard deviation 17.9.
  const std::vector<std::int32_t> match(100, kNegative);
  std::vector<double> times(100, 0.0);
  for (std::int32_t epoch = 0; epoch < 2000; ++epoch) {
    const std::vector<std::int32_t> counters = {epoch, 0};
    const AnchorSample got = run(match, 1, {{}, rows(counters, 2), {}}, {20, 10});
    for (std::size_t i = 0; i < 100; ++i) times[i] += got.labels[i] == 0;
  }
  for (const double t : times) EXPECT_NEAR(t, 400, 5 * 17.9);
}

TEST(SampleAnchors, AnInjectedOrderReplacesChance) {
  const std::vector<std::int32_t> match = {0, 0, 0, kNegative, kNegative, kNegative, kUnused},
                                  order = {2, 1, 1, 5, 0, 5, 0};
  const AnchorSample got = run(match, 1, {{}, {}, rows(order, 7)}, {4, 2});
  EXPECT_THAT(got.labels, ElementsAre(-1, 1, 1, 0, 0, -1, -1));  // of equals the lower index
  EXPECT_THAT(got.counts, ElementsAre(2, 2));
}

struct RoiSample {
  std::vector<double> rois;
  std::vector<std::int32_t> labels, targets, image, counts;
};

RoiSample run(const RoiCandidates<double>& candidates, const SampleDraw& draw,
              const SampleRule& rule, std::int32_t num_classes) {
  const auto images = static_cast<std::size_t>(candidates.proposals.batch);
  const std::size_t total = images * static_cast<std::size_t>(rule.size);
  RoiSample out{std::vector<double>(total * 4, 9), std::vector<std::int32_t>(total, 9),
                std::vector<std::int32_t>(total, 9), std::vector<std::int32_t>(total, 9),
                std::vector<std::int32_t>(images * 2, 9)};
  auto scratch = scratch_for(candidates.proposals.batch, rule);
  cpu::sample_rois(candidates, draw,
                   {rows(out.rois, 4), span(out.labels), span(out.targets), span(out.image),
                    rows(out.counts, 2)},
                   span(scratch), rule, num_classes);
  return out;
}

TEST(SampleRois, TargetsComeFirstAndPaddingIsMarked) {
  // Image 0: 1 of 2 targets, 3 of 3 proposals. Image 1: no target, 1 proposal.
  std::vector<double> targets(16), proposals(24);
  std::iota(targets.begin(), targets.end(), 100.0);
  std::iota(proposals.begin(), proposals.end(), 0.0);
  const std::vector<std::int32_t> target_counts = {1, 0}, proposal_counts = {3, 1},
                                  classes = {1, 0, 0, 0},
                                  match = {kNegative, 0, kUnused, kNegative, kUnused, kUnused},
                                  counters = {0, 0, 0, 1};
  const RoiCandidates<double> candidates{{proposals.data(), proposal_counts.data(), 2, 3},
                                         rows(match, 3),
                                         {targets.data(), target_counts.data(), 2, 2},
                                         rows(classes, 2)};
  const RoiSample got = run(candidates, {{}, rows(counters, 2), {}}, {4, 2}, 2);
  EXPECT_THAT(got.labels, ElementsAre(1, 1, 2, -1, 2, -1, -1, -1));
  EXPECT_THAT(got.targets, ElementsAre(0, 0, -1, -1, -1, -1, -1, -1));
  EXPECT_THAT(got.image, ElementsAre(0, 0, 0, -1, 1, -1, -1, -1));
  EXPECT_THAT(got.counts, ElementsAre(2, 1, 0, 1));
  EXPECT_THAT(got.rois, ElementsAre(100, 101, 102, 103, 4, 5, 6, 7, 0, 1, 2, 3, 0, 0, 0, 0,  //
                                    12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

TEST(SampleRois, AtMostAQuarterIsPositiveAndTheOrderCanBeInjected) {
  std::vector<std::int32_t> match(40, 0), counts = {40}, one = {1}, classes = {0}, order(41, 1);
  std::fill(match.begin() + 20, match.end(), kNegative);
  const auto proposals = test::random_boxes<double>(40, 1, 50, 50);
  const std::vector<double> target = {1, 2, 3, 4};
  const RoiCandidates<double> candidates{{proposals.data(), counts.data(), 1, 40},
                                         rows(std::as_const(match), 40),
                                         {target.data(), one.data(), 1, 1},
                                         rows(std::as_const(classes), 1)};
  order[1 + 7] = order[1 + 33] = 0;  // proposals 7 and 33
  const RoiSample got = run(candidates, {{}, {}, rows(std::as_const(order), 41)}, {8, 2}, 1);
  EXPECT_THAT(got.counts, ElementsAre(2, 6));
  EXPECT_THAT(got.labels, ElementsAre(0, 0, 1, 1, 1, 1, 1, 1));
  EXPECT_EQ(got.rois[0], 1);                 // the target, candidate 0
  EXPECT_EQ(got.rois[4], proposals[7 * 4]);  // the one whose turn was forced
  EXPECT_EQ(got.rois[7 * 4 + 1], proposals[33 * 4 + 1]);
}

TEST(SampleRois, WithoutTargetsAndProposals) {
  const std::vector<std::int32_t> none = {0}, counters = {0, 0}, match = {kUnused};
  const std::vector<double> box(4);
  const RoiCandidates<double> candidates{
      {box.data(), none.data(), 1, 1}, rows(match, 1), {nullptr, nullptr, 1, 0}, {nullptr, 1, 0}};
  const RoiSample got = run(candidates, {{}, rows(counters, 2), {}}, {3, 1}, 1);
  EXPECT_THAT(got.labels, ElementsAre(-1, -1, -1));
  EXPECT_THAT(got.counts, ElementsAre(0, 0));
  std::vector<double> factor(1);
  cpu::roi_average_factor(rows(got.counts, 2), span(factor));
  EXPECT_EQ(factor[0], 1);
}

TEST(AverageFactor, CountsAsMmdetection) {
  const std::vector<std::int32_t> counts = {10, 246, 0, 256, 3, 0};
  std::vector<float> factor(1);
  cpu::rpn_average_factor(rows(counts, 2), span(factor));
  EXPECT_EQ(factor[0], 256 + 257 + 4);
  cpu::roi_average_factor(rows(counts, 2), span(factor));
  EXPECT_EQ(factor[0], 256 + 256 + 3);
}

TEST(Sample, WrongShapesAreErrors) {
  std::vector<std::int32_t> match(4), labels(4), counts(1);
  try {
    cpu::sample_anchors(rows(std::as_const(match), 4), {}, rows(labels, 4), rows(counts, 1), {},
                        kRpnSample);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("sample_anchors: counts is 1x1, 1x2 wanted"));
  }
  counts.resize(2);
  EXPECT_THROW(cpu::sample_anchors(rows(std::as_const(match), 4), {}, rows(labels, 4),
                                   rows(counts, 2), {}, kRpnSample),
               Error);  // neither counters nor an order
}

}  // namespace
}  // namespace ktrain
