// The CUDA proposals against the CPU's. Where no exponential comes in, which libraries round in
// their own ways, they are equal to the last bit.
#include "kernels/proposals.h"

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
using Levels = std::vector<PyramidLevel>;

template <class T>
struct Found {
  std::vector<T> boxes, scores;
  Ints counts;
};

struct Problem {
  Levels levels;
  Ints sizes;
  Floats logits, deltas;
  [[nodiscard]] std::int64_t images() const { return static_cast<std::int64_t>(sizes.size() / 2); }
  [[nodiscard]] std::int64_t anchors() const { return num_anchors(test::span(levels)); }
};

template <class T>
std::vector<T> anchors_of(const Problem& p) {
  std::vector<T> anchors(static_cast<std::size_t>(p.anchors() * 4));
  cpu::make_anchors(test::span(p.levels), {}, test::rows(anchors, 4));
  return anchors;
}

Found<float> on_device(const Problem& p, const ProposalRule& rule, std::int64_t offset = 0) {
  const Stream stream;
  const std::int64_t images = p.images(), anchors = p.anchors();
  const DeviceView<float> logits(stream.get(), p.logits, offset),
      deltas(stream.get(), p.deltas, offset), danchors(stream.get(), anchors_of<float>(p), offset),
      boxes(images * rule.per_image * 4, offset), scores(images * rule.per_image);
  const DeviceView<std::int32_t> sizes(stream.get(), p.sizes), counts(images);
  const DeviceView<std::byte> scratch(
      cuda::propose_scratch_bytes(images, static_cast<std::int64_t>(p.levels.size()), rule));
  cuda::propose(stream.get(),
                {{logits.data(), images, anchors},
                 {deltas.data(), images * anchors, 4},
                 {danchors.data(), anchors, 4},
                 test::span(p.levels),
                 {sizes.data(), images, 2}},
                {{boxes.data(), images * rule.per_image, 4},
                 {scores.data(), images, rule.per_image},
                 counts.span()},
                scratch.span(), rule);
  return {boxes.to_host(stream.get()), scores.to_host(stream.get()), counts.to_host(stream.get())};
}

template <class T>
Found<T> on_cpu(const Problem& p, const ProposalRule& rule) {
  const std::vector<T> logits = test::cast<T>(p.logits), deltas = test::cast<T>(p.deltas),
                       anchors = anchors_of<T>(p);
  const auto rows = static_cast<std::size_t>(p.images() * rule.per_image);
  Found<T> found{std::vector<T>(rows * 4), std::vector<T>(rows), Ints(p.sizes.size() / 2)};
  std::vector<std::byte> scratch(static_cast<std::size_t>(
      cpu::propose_scratch_bytes<T>(p.images(), static_cast<std::int64_t>(p.levels.size()), rule)));
  cpu::propose<T>({{logits.data(), p.images(), p.anchors()},
                   test::rows(deltas, 4),
                   test::rows(anchors, 4),
                   test::span(p.levels),
                   test::rows(p.sizes, 2)},
                  {test::rows(found.boxes, 4),
                   {found.scores.data(), p.images(), rule.per_image},
                   test::span(found.counts)},
                  test::span(scratch), rule);
  return found;
}

Problem problem(const Levels& levels, const Ints& sizes, double sides) {
  Problem p{levels, sizes, {}, {}};
  p.logits = test::random_floats(p.images() * p.anchors(), 1, -5, 5);
  p.deltas = test::random_floats(p.images() * p.anchors() * 4, 2, -0.5, 0.5);
  for (std::size_t i = 0; i < p.deltas.size(); ++i)
    if (i % 4 >= 2) p.deltas[i] *= static_cast<float>(sides);
  return p;
}

// expf may differ in its last bit; that of a box's score is all there is of it here.
void expect_equal(const Found<float>& got, const Found<float>& want) {
  EXPECT_EQ(got.counts, want.counts);
  EXPECT_TRUE(test::same_bits(got.boxes, want.boxes));
  EXPECT_TRUE(test::all_close(got.scores, want.scores, 2e-7, 0));
}

struct Case {
  Levels levels;
  ProposalRule rule;
};
class ProposalsCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Shapes, ProposalsCuda,
    testing::Values(Case{{}, {10, 5, 0.7}}, Case{{{1, 1, 16}}, {2, 5, 0.7}},
                    Case{{{6, 8, 4}, {3, 4, 8}, {2, 2, 16}}, {30, 40, 0.7}},
                    Case{{{20, 24, 4}, {0, 0, 8}, {5, 6, 16}}, {1000, 700, 0.5}},
                    Case{{{40, 48, 4}, {20, 24, 8}, {10, 12, 16}}, {600, 100, 0.7}}));

TEST_P(ProposalsCuda, EqualTheCpuWhereSidesStay) {
  KT_NEEDS_GPU();
  const Problem p = problem(GetParam().levels, {80, 96, 61, 93, 0, 0}, 0);
  const Found<float> got = on_device(p, GetParam().rule);
  expect_equal(got, on_cpu<float>(p, GetParam().rule));
  const Found<float> again = on_device(p, GetParam().rule, 1);
  EXPECT_TRUE(test::same_bits(again.boxes, got.boxes));
  EXPECT_TRUE(test::same_bits(again.scores, got.scores));
}

// No overlap here is so near the threshold that a rounding decides: double finds the same boxes.
TEST_P(ProposalsCuda, AgreeWithTheCpuWhereSidesChange) {
  KT_NEEDS_GPU();
  const Problem p = problem(GetParam().levels, {80, 96, 61, 93}, 1);
  const Found<float> got = on_device(p, GetParam().rule);
  const Found<double> want = on_cpu<double>(p, GetParam().rule);
  EXPECT_EQ(got.counts, want.counts);
  // Boxes before clipping reach some hundred pixels: a few roundings of that in float.
  EXPECT_TRUE(test::all_close(got.boxes, want.boxes, 2e-4, 0));
  EXPECT_TRUE(test::all_close(got.scores, want.scores, 2e-7, 0));
}

TEST(ProposalsCudaTies, EqualTheCpu) {
  KT_NEEDS_GPU();
  Problem p = problem({{20, 24, 4}, {10, 12, 8}}, {80, 96}, 0);
  for (std::size_t i = 0; i < p.logits.size(); ++i) p.logits[i] = static_cast<float>(i * 7 % 3);
  for (const ProposalRule& rule : {ProposalRule{200, 150, 0.7}, ProposalRule{50, 400, 0.3}})
    expect_equal(on_device(p, rule), on_cpu<float>(p, rule));
}

TEST(ProposalsCudaValues, BrokenNumbers) {
  KT_NEEDS_GPU();
  Problem p = problem({{20, 24, 4}, {10, 12, 8}}, {80, 96}, 0);
  const Floats odd = {NAN, INFINITY, -INFINITY, 1e30f, -0.0f};
  for (std::size_t i = 0; i < p.logits.size(); i += 3) p.logits[i] = odd[i / 3 % odd.size()];
  for (std::size_t i = 0; i < p.deltas.size(); i += 12) p.deltas[i] = odd[i / 12 % odd.size()];
  expect_equal(on_device(p, {300, 100, 0.7}), on_cpu<float>(p, {300, 100, 0.7}));
}

TEST(ProposalsCudaLarge, ListsThatAreSortedInDeviceMemory) {
  KT_NEEDS_GPU();
  const Problem p = problem({{40, 44, 4}, {5, 5, 32}}, {160, 176}, 0);
  const ProposalRule rule{4500, 4200, 0.9};
  expect_equal(on_device(p, rule), on_cpu<float>(p, rule));
}

TEST(ImageOfRowsCuda, EqualsTheCpu) {
  KT_NEEDS_GPU();
  const Ints counts = {0, 3, 300};
  const Stream stream;
  const DeviceView<std::int32_t> dcounts(stream.get(), counts), image(900), none(0);
  Ints want(900);
  cuda::image_of_rows(stream.get(), dcounts.in(), image.span());
  cuda::image_of_rows(stream.get(), dcounts.in(), none.span());
  cpu::image_of_rows(test::span(counts), test::span(want));
  EXPECT_EQ(image.to_host(stream.get()), want);
  EXPECT_THAT(test::message_of([&] {
                cuda::image_of_rows(nullptr, dcounts.in(), Span<std::int32_t>{image.data(), 10});
              }),
              testing::StartsWith("image_of_rows: 10 rows of 3 images"));
}

TEST(ProposalsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Problem p = problem({{2, 2, 4}}, {8, 8}, 0);
  const DeviceView<float> x(64);
  const DeviceView<std::int32_t> i(4);
  const auto message = [&](std::int64_t anchors, std::int64_t per_image,
                           std::int64_t per_level = 5) {
    return test::message_of([&] {
      cuda::propose(nullptr,
                    {{x.data(), 1, anchors},
                     {x.data(), anchors, 4},
                     {x.data(), anchors, 4},
                     test::span(p.levels),
                     {i.data(), 1, 2}},
                    {{x.data(), per_image, 4}, {x.data(), 1, per_image}, {i.data(), 1}},
                    Span<std::byte>{}, {per_level, 3, 0.7});
    });
  };
  EXPECT_THAT(message(11, 3), testing::HasSubstr("the levels have 12"));
  EXPECT_THAT(message(12, 4), testing::HasSubstr("3 of an image; boxes 4x4"));
  EXPECT_THAT(message(12, 3), testing::StartsWith("scratch has 0 bytes"));
  EXPECT_THAT(message(12, 3, 65537),
              testing::StartsWith("propose: lists of 65537 boxes, at most 65536 on CUDA"));
}

}  // namespace
}  // namespace ktrain
