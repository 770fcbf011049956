// The CUDA sampling: what is chosen must equal the CPU's.
#include "kernels/sample.h"

#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

constexpr RandomKey kKey{0x123456789abcull, 3, 0};

// Matches of `images` images: positives, negatives and unused ones, mixed.
Ints random_match(std::int64_t size, double positives, double negatives, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> draw(0, 1);
  Ints match;
  for (std::int64_t i = 0; i < size; ++i) {
    const double u = draw(engine);
    match.push_back(u < positives               ? static_cast<std::int32_t>(i % 3)
                    : u < positives + negatives ? kNegative
                                                : kUnused);
  }
  return match;
}

struct Choice {
  Ints labels, counts;
  friend bool operator==(const Choice&, const Choice&) = default;
};

Choice anchors_on_device(const Ints& match, std::int64_t images, const Ints& counters,
                         const Ints& order, const SampleRule& rule) {
  const Stream stream;
  const auto cols = static_cast<std::int64_t>(match.size()) / images;
  const DeviceView<std::int32_t> dmatch(stream.get(), match), dcounters(stream.get(), counters),
      dorder(stream.get(), order), labels(images * cols), counts(images * 2);
  const DeviceView<std::byte> scratch(sample_scratch_bytes(images, rule));
  SampleDraw draw{kKey, {dcounters.data(), images, 2}, {}};
  if (!order.empty()) draw.order = {dorder.data(), images, cols};
  cuda::sample_anchors(stream.get(), {dmatch.data(), images, cols}, draw,
                       {labels.data(), images, cols}, {counts.data(), images, 2}, scratch.span(),
                       rule);
  return {labels.to_host(stream.get()), counts.to_host(stream.get())};
}

Choice anchors_on_cpu(const Ints& match, std::int64_t images, const Ints& counters,
                      const Ints& order, const SampleRule& rule) {
  const auto cols = static_cast<std::int64_t>(match.size()) / images;
  Choice choice{Ints(match.size()), Ints(static_cast<std::size_t>(images * 2))};
  std::vector<std::byte> scratch(static_cast<std::size_t>(sample_scratch_bytes(images, rule)));
  SampleDraw draw{kKey, test::rows(counters, 2), {}};
  if (!order.empty()) draw.order = {order.data(), images, cols};
  cpu::sample_anchors({match.data(), images, cols}, draw, {choice.labels.data(), images, cols},
                      test::rows(choice.counts, 2), test::span(scratch), rule);
  return choice;
}

struct Case {
  std::int64_t anchors;
  double positives, negatives;
  SampleRule rule;
};
class SampleAnchorsCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, SampleAnchorsCuda,
                         testing::Values(Case{0, 0, 0, kRpnSample}, Case{1, 1, 0, kRpnSample},
                                         Case{1000, 0.01, 0.9, kRpnSample},  // few positives
                                         Case{3001, 0.5, 0.4, kRpnSample},   // more than are taken
                                         Case{2500, 0.05, 0.01,
                                              kRpnSample},               // too few of everything
                                         Case{1025, 0.3, 0.6, {4, 9}},   // size below positives
                                         Case{1025, 0.3, 0.6, {10, 0}},  // no positives wanted
                                         Case{1025, 0.3, 0.6, {0, 0}},   // nothing wanted
                                         Case{1200, 0.5, 0.5, {1200, 600}},  // everything wanted
                                         Case{test::large(82000), 0.001, 0.9, kRpnSample}));

TEST_P(SampleAnchorsCuda, EqualsTheCpu) {
  KT_NEEDS_GPU();
  const auto& [anchors, positives, negatives, rule] = GetParam();
  constexpr std::int64_t kImages = 3;
  const Ints match = random_match(kImages * anchors, positives, negatives, 1);
  const Ints counters = {1, 10, 1, 11, 7, -5};
  const Choice got = anchors_on_device(match, kImages, counters, {}, rule);
  EXPECT_EQ(got, anchors_on_cpu(match, kImages, counters, {}, rule));
  EXPECT_EQ(got, anchors_on_device(match, kImages, counters, {}, rule));
}

// Keys that agree in part of their bits or in all, the largest and the smallest among them.
TEST(SampleAnchorsCudaOrder, TiesGoByIndexAsOnTheCpu) {
  KT_NEEDS_GPU();
  const std::int64_t size = 2 * 1500;
  const Ints match = random_match(size, 0.2, 0.7, 2), counters = {0, 0, 0, 0};
  for (const std::int32_t different : {1, 2, 300, 100000}) {
    for (const std::int32_t base : {-1, 0x12345600}) {
      Ints order;
      for (std::int32_t i = 0; i < size; ++i) order.push_back(base ^ (i * 7919 % different));
      for (const SampleRule& rule : {kRpnSample, SampleRule{300, 10}})
        EXPECT_EQ(anchors_on_device(match, 2, counters, order, rule),
                  anchors_on_cpu(match, 2, counters, order, rule));
    }
  }
}

struct RoiChoice {
  Floats rois;
  Ints labels, targets, image, counts;
  friend bool operator==(const RoiChoice&, const RoiChoice&) = default;
};

struct RoiProblem {
  std::int64_t proposals, targets;
  Ints match, classes, target_counts;
  Floats proposal_boxes, target_boxes;
};

constexpr std::int64_t kImages = 2;

RoiProblem roi_problem(std::int64_t proposals, std::int64_t targets, const Ints& target_counts,
                       double positives) {
  RoiProblem p{proposals, targets, {}, {}, target_counts, {}, {}};
  p.match = random_match(kImages * proposals, positives, 0.9 - positives, 3);
  for (std::int32_t& match : p.match)  // to targets that exist
    if (match >= targets) match = targets > 0 ? 0 : kUnused;
  for (std::int64_t i = 0; i < kImages * targets; ++i)
    p.classes.push_back(static_cast<std::int32_t>(i % 5));
  p.proposal_boxes =
      test::random_boxes<float>(static_cast<std::size_t>(kImages * proposals), 4, 200, 60);
  p.target_boxes =
      test::random_boxes<float>(static_cast<std::size_t>(kImages * targets), 5, 200, 60);
  return p;
}

RoiChoice rois_on_device(const RoiProblem& p, const Ints& order, const SampleRule& rule) {
  const Stream stream;
  const std::int64_t rows = kImages * rule.size;
  const DeviceView<std::int32_t> match(stream.get(), p.match), classes(stream.get(), p.classes),
      target_counts(stream.get(), p.target_counts), counters(stream.get(), {4, 1, 4, 2}),
      dorder(stream.get(), order), labels(rows), targets(rows), image(rows), counts(kImages * 2);
  const DeviceView<float> proposals(stream.get(), p.proposal_boxes),
      target_boxes(stream.get(), p.target_boxes), rois(rows * 4);
  const DeviceView<std::byte> scratch(sample_scratch_bytes(kImages, rule));
  SampleDraw draw{kKey, {counters.data(), kImages, 2}, {}};
  if (!order.empty()) draw.order = {dorder.data(), kImages, p.targets + p.proposals};
  cuda::sample_rois(stream.get(),
                    {{proposals.data(), nullptr, kImages, p.proposals},
                     {match.data(), kImages, p.proposals},
                     {target_boxes.data(), target_counts.data(), kImages, p.targets},
                     {classes.data(), kImages, p.targets}},
                    draw,
                    {{rois.data(), rows, 4},
                     labels.span(),
                     targets.span(),
                     image.span(),
                     {counts.data(), kImages, 2}},
                    scratch.span(), rule, 5);
  return {rois.to_host(stream.get()), labels.to_host(stream.get()), targets.to_host(stream.get()),
          image.to_host(stream.get()), counts.to_host(stream.get())};
}

RoiChoice rois_on_cpu(const RoiProblem& p, const Ints& order, const SampleRule& rule) {
  const auto rows = static_cast<std::size_t>(kImages * rule.size);
  const Ints counters = {4, 1, 4, 2};
  RoiChoice c{Floats(rows * 4), Ints(rows), Ints(rows), Ints(rows), Ints(kImages * 2)};
  std::vector<std::byte> scratch(static_cast<std::size_t>(sample_scratch_bytes(kImages, rule)));
  SampleDraw draw{kKey, test::rows(counters, 2), {}};
  if (!order.empty()) draw.order = {order.data(), kImages, p.targets + p.proposals};
  const RoiCandidates<float> candidates{
      {p.proposal_boxes.data(), nullptr, kImages, p.proposals},
      {p.match.data(), kImages, p.proposals},
      {p.target_boxes.data(), p.target_counts.data(), kImages, p.targets},
      {p.classes.data(), kImages, p.targets}};
  cpu::sample_rois<float>(candidates, draw,
                          {test::rows(c.rois, 4), test::span(c.labels), test::span(c.targets),
                           test::span(c.image), test::rows(c.counts, 2)},
                          test::span(scratch), rule, 5);
  return c;
}

TEST(SampleRoisCuda, EqualsTheCpu) {
  KT_NEEDS_GPU();
  for (const SampleRule& rule : {SampleRule{64, 16}, SampleRule{1100, 300}, SampleRule{7, 9}}) {
    for (const RoiProblem& p :
         {roi_problem(1000, 20, {20, 3}, 0.3), roi_problem(1030, 1, {0, 1}, 0.01),
          roi_problem(0, 4, {4, 0}, 0.5), roi_problem(90, 0, {0, 0}, 0.5)}) {
      const RoiChoice got = rois_on_device(p, {}, rule);
      EXPECT_EQ(got, rois_on_cpu(p, {}, rule));
      EXPECT_EQ(got, rois_on_device(p, {}, rule));
      Ints order;  // all equal: the first ones are taken
      for (std::int64_t i = 0; i < kImages * (p.targets + p.proposals); ++i) order.push_back(7);
      EXPECT_EQ(rois_on_device(p, order, rule), rois_on_cpu(p, order, rule));
    }
  }
}

TEST(SampleFactorsCuda, EqualTheCpu) {
  KT_NEEDS_GPU();
  const Stream stream;
  Ints many;
  for (std::int32_t i = 0; i < 100; ++i) many.push_back(i % 5 * 51);
  for (const Ints& counts : {Ints{}, Ints{0, 0}, Ints{3, 0, 0, 253, 128, 128}, many}) {
    const DeviceView<std::int32_t> device(stream.get(), counts);
    const DeviceView<float> factors(2);
    Floats want(2);
    const auto images = static_cast<std::int64_t>(counts.size() / 2);
    cuda::rpn_average_factor(stream.get(), {device.data(), images, 2}, {factors.data(), 1});
    cuda::roi_average_factor(stream.get(), {device.data(), images, 2}, {factors.data() + 1, 1});
    cpu::rpn_average_factor(test::rows(counts, 2), Span<float>{&want[0], 1});
    cpu::roi_average_factor(test::rows(counts, 2), Span<float>{&want[1], 1});
    EXPECT_EQ(factors.to_host(stream.get()), want);
  }
}

TEST(SampleCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<std::int32_t> x(12);
  const Rows<std::int32_t> match{x.data(), 2, 3}, counts{x.data(), 2, 2};
  const auto message = [&](Rows<std::int32_t> labels, const SampleDraw& draw) {
    return test::message_of([&] {
      cuda::sample_anchors(nullptr, match, draw, labels, counts, Span<std::byte>{}, kRpnSample);
    });
  };
  EXPECT_THAT(message({x.data(), 2, 4}, {}),
              testing::StartsWith("sample_anchors: match is 2x3, labels 2x4"));
  EXPECT_THAT(message(match, {}), testing::StartsWith("sample_anchors: counters is 0x0"));
  EXPECT_THAT(message(match, {kKey, counts, {x.data(), 2, 4}}),
              testing::StartsWith("sample_anchors: order is 2x4, 2x3 wanted"));
  EXPECT_THAT(message(match, {kKey, counts, {}}), testing::StartsWith("scratch has 0 bytes"));
}

}  // namespace
}  // namespace ktrain
