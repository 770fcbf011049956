#include "kernels/detections.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/reference.h"

namespace ktrain {
namespace {

using test::rows;
using test::span;
using testing::Each;
using testing::ElementsAre;

template <class T>
struct Input {
  std::vector<T> rois, probabilities, deltas, scales;
  std::vector<std::int32_t> counts, sizes;
  std::int64_t classes = 1;
};

template <class T>
struct Found {
  std::vector<T> boxes, scores;
  std::vector<std::int32_t> labels, counts;
};

template <class T>
Found<T> run(const Input<T>& in, const DetectionRule& rule) {
  const auto images = static_cast<std::int64_t>(in.counts.size());
  const auto capacity = static_cast<std::int64_t>(in.rois.size()) / 4 / images;
  const auto slots = static_cast<std::size_t>(images * rule.per_image);
  Found<T> found{std::vector<T>(slots * 4, T{9}), std::vector<T>(slots, T{9}),
                 std::vector<std::int32_t>(slots, 9),
                 std::vector<std::int32_t>(in.counts.size(), 9)};
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(cpu::detect_scratch_bytes<T>(images, in.classes, capacity, rule)));
  cpu::detect<T>({{in.rois.data(), in.counts.data(), images, capacity},
                  rows(in.probabilities, in.classes + 1),
                  rows(in.deltas, 4 * in.classes),
                  rows(in.sizes, 2),
                  rows(in.scales, 2)},
                 {rows(found.boxes, 4), rows(found.scores, rule.per_image),
                  rows(found.labels, rule.per_image), span(found.counts)},
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
  const test::Reference reference("detections.txt");
  const Input<T> in{reference.get<T>("rois"),
                    reference.get<T>("probabilities"),
                    reference.get<T>("deltas"),
                    reference.get<T>("scales"),
                    reference.get<std::int32_t>("counts"),
                    {24, 32, 19, 27},
                    2};
  DetectionRule rule;
  rule.per_image = 20;
  const auto found = run(in, rule);
  for (std::size_t n = 0; n < 2; ++n) {
    const std::string tag = std::to_string(n);
    const auto count = static_cast<std::size_t>(found.counts[n]);
    ASSERT_EQ(count, reference.get("scores" + tag).size());
    // Corners below 100 pixels, a few roundings each.
    EXPECT_TRUE(test::all_close(part(found.boxes, n * 80, n * 80 + count * 4),
                                reference.get("boxes" + tag), 3e-5, 0));
    EXPECT_EQ(part(found.scores, n * 20, n * 20 + count), reference.get<T>("scores" + tag));
    EXPECT_EQ(part(found.labels, n * 20, n * 20 + count),
              reference.get<std::int32_t>("labels" + tag));
  }
}

TEST(Detections, FloatAgreesWithPyTorch) { compare_with_pytorch<float>(); }
TEST(Detections, DoubleAgreesWithPyTorch) { compare_with_pytorch<double>(); }

TEST(Detections, TheThresholdIsStrictAndPaddingIsMarked) {
  Input<double> in;
  in.rois = {0, 0, 10, 10, 20, 20, 30, 30, 20, 20, 30, 30};
  in.probabilities = {0.25, 0.75, 0.26, 0.74, 0.9, 0.1};
  in.deltas.assign(12, 0.0);
  in.scales = {2, 4};
  in.counts = {2};  // the third row is padding
  in.sizes = {25, 100};
  DetectionRule rule;
  rule.score_threshold = 0.25;
  rule.per_image = 3;
  const auto found = run(in, rule);
  EXPECT_THAT(found.counts, ElementsAre(1));
  EXPECT_THAT(found.boxes, ElementsAre(10, 5, 15, 6.25, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(found.scores, ElementsAre(0.26, 0, 0));
  EXPECT_THAT(found.labels, ElementsAre(0, -1, -1));
}

TEST(Detections, NothingFoundAndNoRois) {
  Input<float> in;
  in.counts = {0};
  in.sizes = {10, 10};
  in.scales = {1, 1};
  const auto found = run(in, DetectionRule{});
  EXPECT_THAT(found.counts, ElementsAre(0));
  EXPECT_THAT(found.labels, Each(-1));
}

TEST(Detections, WrongShapesAreErrors) {
  Input<float> in;
  in.rois.resize(4);
  in.probabilities.resize(4);
  in.deltas.resize(4);
  in.scales = {1, 1};
  in.counts = {1};
  in.sizes = {10, 10};
  try {
    (void)run(in, DetectionRule{});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::StartsWith("detect: 1 lists of 1 RoIs, probabilities 2x2, deltas 1x4"));
  }
}

}  // namespace
}  // namespace ktrain
