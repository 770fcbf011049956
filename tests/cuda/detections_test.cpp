// The CUDA detections against the CPU's. Where no exponential comes in, which libraries round in
// their own ways, they are equal to the last bit.
#include "kernels/detections.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

template <class T>
struct Found {
  std::vector<T> boxes, scores;
  Ints labels, counts;
};

struct Problem {
  std::int64_t capacity, classes;
  Ints counts, sizes;
  Floats rois, probabilities, deltas, scales;
  [[nodiscard]] std::int64_t images() const { return static_cast<std::int64_t>(counts.size()); }
  [[nodiscard]] std::int64_t rows() const { return images() * capacity; }
};

Problem problem(std::int64_t capacity, std::int64_t classes, const Ints& counts, double sides) {
  Problem p{capacity, classes, counts, {}, {}, {}, {}, {}};
  p.rois = test::random_boxes<float>(static_cast<std::size_t>(p.rows()), 1, 150, 60);
  p.probabilities = test::random_floats(p.rows() * (classes + 1), 2, 0, 0.5);
  p.deltas = test::random_floats(p.rows() * classes * 4, 3);
  for (std::size_t i = 0; i < p.deltas.size(); ++i)
    if (i % 4 >= 2) p.deltas[i] *= static_cast<float>(sides);
  for (std::int64_t n = 0; n < p.images(); ++n) {
    p.sizes.insert(p.sizes.end(), {120, 160});
    p.scales.insert(p.scales.end(), {0.5f, 1.25f});
  }
  return p;
}

Found<float> on_device(const Problem& p, const DetectionRule& rule, std::int64_t offset = 0) {
  const Stream stream;
  const DeviceView<float> rois(stream.get(), p.rois, offset),
      probabilities(stream.get(), p.probabilities, offset), deltas(stream.get(), p.deltas, offset),
      scales(stream.get(), p.scales), boxes(p.images() * rule.per_image * 4, offset),
      scores(p.images() * rule.per_image);
  const DeviceView<std::int32_t> counts(stream.get(), p.counts), sizes(stream.get(), p.sizes),
      labels(p.images() * rule.per_image), found(p.images());
  const DeviceView<std::byte> scratch(
      cuda::detect_scratch_bytes(p.images(), p.classes, p.capacity, rule));
  cuda::detect(stream.get(),
               {{rois.data(), counts.data(), p.images(), p.capacity},
                {probabilities.data(), p.rows(), p.classes + 1},
                {deltas.data(), p.rows(), p.classes * 4},
                {sizes.data(), p.images(), 2},
                {scales.data(), p.images(), 2}},
               {{boxes.data(), p.images() * rule.per_image, 4},
                {scores.data(), p.images(), rule.per_image},
                {labels.data(), p.images(), rule.per_image},
                found.span()},
               scratch.span(), rule);
  return {boxes.to_host(stream.get()), scores.to_host(stream.get()), labels.to_host(stream.get()),
          found.to_host(stream.get())};
}

template <class T>
Found<T> on_cpu(const Problem& p, const DetectionRule& rule) {
  const std::vector<T> rois = test::cast<T>(p.rois), probabilities = test::cast<T>(p.probabilities),
                       deltas = test::cast<T>(p.deltas), scales = test::cast<T>(p.scales);
  const auto rows = static_cast<std::size_t>(p.images() * rule.per_image);
  Found<T> found{std::vector<T>(rows * 4), std::vector<T>(rows), Ints(rows), Ints(p.counts.size())};
  std::vector<std::byte> scratch(static_cast<std::size_t>(
      cpu::detect_scratch_bytes<T>(p.images(), p.classes, p.capacity, rule)));
  cpu::detect<T>({{rois.data(), p.counts.data(), p.images(), p.capacity},
                  {probabilities.data(), p.rows(), p.classes + 1},
                  {deltas.data(), p.rows(), p.classes * 4},
                  test::rows(p.sizes, 2),
                  test::rows(scales, 2)},
                 {test::rows(found.boxes, 4),
                  {found.scores.data(), p.images(), rule.per_image},
                  {found.labels.data(), p.images(), rule.per_image},
                  test::span(found.counts)},
                 test::span(scratch), rule);
  return found;
}

void expect_equal(const Found<float>& got, const Found<float>& want) {
  EXPECT_EQ(got.counts, want.counts);
  EXPECT_EQ(got.labels, want.labels);
  EXPECT_TRUE(test::same_bits(got.boxes, want.boxes));
  EXPECT_TRUE(test::same_bits(got.scores, want.scores));
}

DetectionRule rule_of(std::int64_t per_image) {
  DetectionRule rule;
  rule.per_image = per_image;
  return rule;
}

struct Case {
  std::int64_t capacity, classes, per_image;
  Ints counts;
};
class DetectionsCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, DetectionsCuda,
                         testing::Values(Case{0, 1, 3, {0, 0}}, Case{1, 1, 1, {1, 0}},
                                         Case{100, 3, 20, {100, 17, 0}},
                                         Case{300, 1, 400, {300, 299}}, Case{130, 6, 100, {130}},
                                         Case{1500, 1, 100, {1500}}));

TEST_P(DetectionsCuda, EqualTheCpuWhereSidesStay) {
  KT_NEEDS_GPU();
  const Case& c = GetParam();
  const Problem p = problem(c.capacity, c.classes, c.counts, 0);
  const Found<float> got = on_device(p, rule_of(c.per_image));
  expect_equal(got, on_cpu<float>(p, rule_of(c.per_image)));
  expect_equal(on_device(p, rule_of(c.per_image), 1), got);
}

// No overlap here is so near the threshold that a rounding decides: double finds the same boxes.
TEST_P(DetectionsCuda, AgreeWithTheCpuWhereSidesChange) {
  KT_NEEDS_GPU();
  const Case& c = GetParam();
  const Problem p = problem(c.capacity, c.classes, c.counts, 1);
  const Found<float> got = on_device(p, rule_of(c.per_image));
  const Found<double> want = on_cpu<double>(p, rule_of(c.per_image));
  EXPECT_EQ(got.counts, want.counts);
  EXPECT_EQ(got.labels, want.labels);
  // Boxes reach some hundred pixels, divided by 0.5: a few roundings of that in float.
  EXPECT_TRUE(test::all_close(got.boxes, want.boxes, 2e-4, 0));
  EXPECT_TRUE(test::all_close(got.scores, want.scores, 1e-7, 0));
}

TEST(DetectionsCudaTies, EqualTheCpu) {
  KT_NEEDS_GPU();
  Problem p = problem(200, 3, {200, 150}, 0);
  for (std::size_t i = 0; i < p.probabilities.size(); ++i)
    p.probabilities[i] = static_cast<float>(i * 7 % 4) * 0.25f;
  for (const std::int64_t per_image : {30, 600})
    expect_equal(on_device(p, rule_of(per_image)), on_cpu<float>(p, rule_of(per_image)));
}

TEST(DetectionsCudaValues, BrokenNumbers) {
  KT_NEEDS_GPU();
  Problem p = problem(200, 2, {200}, 0);
  const Floats odd = {NAN, INFINITY, -INFINITY, 1e30f};
  for (std::size_t i = 0; i < p.probabilities.size(); i += 5)
    p.probabilities[i] = odd[i / 5 % odd.size()];
  for (std::size_t i = 0; i < p.deltas.size(); i += 12) p.deltas[i] = odd[i / 12 % odd.size()];
  expect_equal(on_device(p, rule_of(100)), on_cpu<float>(p, rule_of(100)));
}

TEST(DetectionsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> x(64);
  const DeviceView<std::int32_t> i(8);
  const auto message = [&](std::int64_t rows, std::int64_t labels) {
    return test::message_of([&] {
      cuda::detect(nullptr,
                   {{x.data(), i.data(), 1, 4},
                    {x.data(), rows, 2},
                    {x.data(), 4, 4},
                    {i.data(), 1, 2},
                    {x.data(), 1, 2}},
                   {{x.data(), 3, 4}, {x.data(), 1, 3}, {i.data(), 1, labels}, {i.data(), 1}},
                   Span<std::byte>{}, rule_of(3));
    });
  };
  EXPECT_THAT(message(3, 3), testing::StartsWith("detect: 1 lists of 4 RoIs, probabilities 3x2"));
  EXPECT_THAT(message(4, 2), testing::HasSubstr("labels 1x2"));
  EXPECT_THAT(message(4, 3), testing::StartsWith("scratch has 0 bytes"));
  // Nothing is read before the sizes are known to fit.
  const std::int64_t many = 65537;
  EXPECT_THAT(test::message_of([&] {
                cuda::detect(nullptr,
                             {{x.data(), i.data(), 1, many},
                              {x.data(), many, 2},
                              {x.data(), many, 4},
                              {i.data(), 1, 2},
                              {x.data(), 1, 2}},
                             {{x.data(), 3, 4}, {x.data(), 1, 3}, {i.data(), 1, 3}, {i.data(), 1}},
                             Span<std::byte>{}, rule_of(3));
              }),
              testing::StartsWith("detect: lists of 65537 boxes, at most 65536 on CUDA"));
}

}  // namespace
}  // namespace ktrain
