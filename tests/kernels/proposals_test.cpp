#include "kernels/proposals.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"
#include "tests/support/reference.h"

namespace ktrain {
namespace {

using test::rows;
using test::span;
using testing::Each;
using testing::ElementsAre;

template <class T>
struct Found {
  std::vector<T> boxes, scores;
  std::vector<std::int32_t> counts;
};

template <class T>
Found<T> run(const std::vector<PyramidLevel>& levels, const std::vector<T>& logits,
             const std::vector<T>& deltas, const std::vector<std::int32_t>& sizes,
             const ProposalRule& rule) {
  const std::int64_t anchors = num_anchors(span(levels));
  const auto images = static_cast<std::int64_t>(sizes.size() / 2);
  std::vector<T> boxes(static_cast<std::size_t>(anchors * 4));
  cpu::make_anchors(span(levels), {}, rows(boxes, 4));
  const auto slots = static_cast<std::size_t>(images * rule.per_image);
  Found<T> found{std::vector<T>(slots * 4, T{9}), std::vector<T>(slots, T{9}),
                 std::vector<std::int32_t>(static_cast<std::size_t>(images), 9)};
  std::vector<std::byte> scratch(static_cast<std::size_t>(
      cpu::propose_scratch_bytes<T>(images, static_cast<std::int64_t>(levels.size()), rule)));
  cpu::propose<T>({rows(logits, anchors), rows(deltas, 4), rows(std::as_const(boxes), 4),
                   span(levels), rows(sizes, 2)},
                  {rows(found.boxes, 4), rows(found.scores, rule.per_image), span(found.counts)},
                  span(scratch), rule);
  return found;
}

template <class T>
std::vector<T> part(const std::vector<T>& values, std::size_t begin, std::size_t end) {
  return {values.begin() + static_cast<std::ptrdiff_t>(begin),
          values.begin() + static_cast<std::ptrdiff_t>(end)};
}

template <class T>
void compare_with_pytorch() {
  const test::Reference reference("proposals.txt");
  const std::vector<PyramidLevel> levels = {{6, 8, 4}, {3, 4, 8}, {2, 2, 16}};
  const ProposalRule rule{30, 40, 0.7};
  const auto found = run<T>(levels, reference.get<T>("logits"), reference.get<T>("deltas"),
                            {24, 32, 19, 27}, rule);
  for (std::size_t n = 0; n < 2; ++n) {
    const auto boxes = reference.get("boxes" + std::to_string(n)),
               scores = reference.get("scores" + std::to_string(n));
    const auto count = static_cast<std::size_t>(found.counts[n]);
    ASSERT_EQ(count, scores.size());
    // Boxes before clipping reach about 1,000 pixels: a few roundings of that in float.
    EXPECT_TRUE(test::all_close(part(found.boxes, n * 160, n * 160 + count * 4), boxes, 2e-4, 0));
    EXPECT_TRUE(test::all_close(part(found.scores, n * 40, n * 40 + count), scores, 2e-7, 0));
    EXPECT_THAT(part(found.boxes, n * 160 + count * 4, n * 160 + 160), Each(0));
    EXPECT_THAT(part(found.scores, n * 40 + count, n * 40 + 40), Each(0));
  }
}

TEST(Proposals, FloatAgreesWithPyTorch) { compare_with_pytorch<float>(); }
TEST(Proposals, DoubleAgreesWithPyTorch) { compare_with_pytorch<double>(); }

TEST(Proposals, SameBitsOnAnyNumberOfThreadsAndInAnyBatch) {
  const std::vector<PyramidLevel> levels = {{20, 24, 4}, {10, 12, 8}};
  const auto anchors = static_cast<std::size_t>(num_anchors(span(levels)));
  const auto logits = test::random_vec(3 * anchors, 1, -5, 5),
             deltas = test::random_vec(3 * anchors * 4, 2, -0.5, 0.5);
  const std::vector<std::int32_t> sizes = {80, 96, 64, 90, 80, 96};
  const ProposalRule rule{300, 100, 0.7};
  const int threads = num_threads();
  set_num_threads(3);
  const auto batch = run(levels, logits, deltas, sizes, rule);
  set_num_threads(1);
  const auto alone = run(levels, part(logits, anchors, 2 * anchors),
                         part(deltas, anchors * 4, anchors * 8), {64, 90}, rule);
  set_num_threads(threads);
  EXPECT_EQ(part(batch.boxes, 400, 800), alone.boxes);
  EXPECT_EQ(part(batch.scores, 100, 200), alone.scores);
  EXPECT_EQ(batch.counts[1], alone.counts[0]);
  EXPECT_EQ(alone.counts[0], 100);
}

TEST(Proposals, SaturatedScoresKeepTheOrderOfTheLogits) {
  // All sigmoids round to 1.
  const std::vector<PyramidLevel> levels = {{1, 1, 4}, {1, 1, 8}};
  const std::vector<float> logits = {40, 41, 42, 43, 44, 45}, deltas(24, 0.0f);
  const auto found = run(levels, logits, deltas, {64, 64}, {6, 6, 0.7});
  // Anchors of one level overlap by at most 0.55 after clipping: nothing is suppressed. The second
  // level's ratio 2 comes first, the first's ratio 0.5 last.
  ASSERT_THAT(found.counts, ElementsAre(6));
  EXPECT_FLOAT_EQ(found.boxes[2], 64 / std::sqrt(2.0f) / 2);
  EXPECT_FLOAT_EQ(found.boxes[5 * 4 + 2], 32 * std::sqrt(2.0f) / 2);
  EXPECT_THAT(found.scores, Each(1.0f));
}

TEST(Proposals, BoxesOutsideTheImageAndBrokenOnesAreDropped) {
  const std::vector<PyramidLevel> levels = {{1, 2, 4}};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> logits = {6, 5, 4, 3, 2, nan}, deltas(24, 0.0f);
  deltas[0 * 4] = -10;     // left of the image
  deltas[1 * 4 + 1] = 10;  // below it
  deltas[2 * 4] = nan;
  deltas[3 * 4 + 3] = nan;
  const auto found = run(levels, logits, deltas, {16, 16}, {6, 6, 0.99});
  ASSERT_THAT(found.counts, ElementsAre(2));
  EXPECT_THAT(part(found.boxes, 0, 4), ElementsAre(0, 0, 16, 16));
  EXPECT_TRUE(std::isnan(found.scores[1]));
}

TEST(Proposals, WrongShapesAreErrors) {
  try {
    (void)run<float>({{1, 1, 4}}, std::vector<float>(3), std::vector<float>(8), {4, 4},
                     {3, 3, 0.7});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("propose: logits is 1x3, deltas 2x4"));
  }
}

}  // namespace
}  // namespace ktrain
