// The CUDA training targets against the CPU's.
#include "kernels/targets.h"

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

constexpr std::int64_t kImages = 3, kTargets = 5;

template <class T>
struct Result {
  std::vector<T> deltas;
  Ints slots;
};

struct Problem {
  std::int64_t rows;  // of an image
  Floats boxes, targets;
  Ints match, labels, image;
};

Problem problem(std::int64_t rows) {
  Problem p{rows, {}, {}, {}, {}, {}};
  p.targets = test::random_boxes<float>(kImages * kTargets, 1, 300, 100);
  p.boxes = test::random_boxes<float>(static_cast<std::size_t>(kImages * rows), 2, 300, 100);
  for (std::int64_t i = 0; i < kImages * rows; ++i) {
    const auto k = static_cast<std::int32_t>(i);
    p.match.push_back(k * 7 % 11 < 5 ? k * 7 % 11 : k % 2 == 0 ? -1 : -2);
    p.labels.push_back(p.match.back() >= 0 && k % 3 != 0 ? 1 : k % 3 - 1);
    p.image.push_back(k % static_cast<std::int32_t>(kImages));
  }
  for (std::size_t i = 0; i < p.labels.size(); ++i)
    if (p.match[i] < 0 && p.labels[i] == 1) p.labels[i] = 0;
  return p;
}

Result<float> anchors_on_device(const Problem& p, std::int64_t offset) {
  const Stream stream;
  const std::int64_t rows = kImages * p.rows;
  const DeviceView<float> anchors(stream.get(), p.boxes, offset),
      targets(stream.get(), p.targets, offset), deltas(rows * 4, offset);
  const DeviceView<std::int32_t> match(stream.get(), p.match), labels(stream.get(), p.labels),
      slots(rows);
  cuda::anchor_targets(stream.get(), {anchors.data(), p.rows, 4},
                       {targets.data(), nullptr, kImages, kTargets},
                       {match.data(), kImages, p.rows}, {labels.data(), kImages, p.rows},
                       {deltas.data(), rows, 4}, slots.span());
  return {deltas.to_host(stream.get()), slots.to_host(stream.get())};
}

template <class T>
Result<T> anchors_on_cpu(const Problem& p) {
  const std::vector<T> anchors = test::cast<T>(p.boxes), targets = test::cast<T>(p.targets);
  Result<T> r{std::vector<T>(p.match.size() * 4), Ints(p.match.size())};
  cpu::anchor_targets<T>({anchors.data(), p.rows, 4}, {targets.data(), nullptr, kImages, kTargets},
                         {p.match.data(), kImages, p.rows}, {p.labels.data(), kImages, p.rows},
                         test::rows(r.deltas, 4), test::span(r.slots));
  return r;
}

Result<float> rois_on_device(const Problem& p, std::int64_t offset) {
  const Stream stream;
  const std::int64_t rows = kImages * p.rows;
  const DeviceView<float> rois(stream.get(), p.boxes, offset),
      targets(stream.get(), p.targets, offset), deltas(rows * 4, offset);
  const DeviceView<std::int32_t> match(stream.get(), p.match), labels(stream.get(), p.labels),
      image(stream.get(), p.image), slots(rows);
  cuda::roi_targets(stream.get(), {{rois.data(), rows, 4}, labels.in(), match.in(), image.in()},
                    {targets.data(), nullptr, kImages, kTargets}, {deltas.data(), rows, 4},
                    slots.span(), kRoiCoding);
  return {deltas.to_host(stream.get()), slots.to_host(stream.get())};
}

template <class T>
Result<T> rois_on_cpu(const Problem& p) {
  const std::vector<T> rois = test::cast<T>(p.boxes), targets = test::cast<T>(p.targets);
  Result<T> r{std::vector<T>(p.match.size() * 4), Ints(p.match.size())};
  cpu::roi_targets<T>(
      {test::rows(rois, 4), test::span(p.labels), test::span(p.match), test::span(p.image)},
      {targets.data(), nullptr, kImages, kTargets}, test::rows(r.deltas, 4), test::span(r.slots),
      kRoiCoding);
  return r;
}

void expect_close(const Result<float>& got, const Result<float>& want,
                  const Result<double>& exact) {
  EXPECT_EQ(got.slots, want.slots);
  // A few roundings of numbers up to 100, logarithms divided by 0.2.
  EXPECT_TRUE(test::all_close(got.deltas, want.deltas, 1e-5, 1e-6));
  // Centres: differences of numbers up to 400 over sides of 1 at least, divided by 0.1.
  EXPECT_TRUE(test::all_close(got.deltas, exact.deltas, 2e-3, 1e-5));
}

class TargetsCuda : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, TargetsCuda, testing::Values(0, 1, 85, 86, test::large(20001)));

TEST_P(TargetsCuda, AnchorsAgreeWithTheCpu) {
  KT_NEEDS_GPU();
  const Problem p = problem(GetParam());
  const Result<float> got = anchors_on_device(p, 0);
  expect_close(got, anchors_on_cpu<float>(p), anchors_on_cpu<double>(p));
  EXPECT_TRUE(test::same_bits(anchors_on_device(p, 1).deltas, got.deltas));
}

TEST_P(TargetsCuda, RoisAgreeWithTheCpu) {
  KT_NEEDS_GPU();
  const Problem p = problem(GetParam());
  const Result<float> got = rois_on_device(p, 0);
  expect_close(got, rois_on_cpu<float>(p), rois_on_cpu<double>(p));
  EXPECT_TRUE(test::same_bits(rois_on_device(p, 1).deltas, got.deltas));
}

TEST(TargetsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> f(16);
  const DeviceView<std::int32_t> i(4);
  EXPECT_THAT(test::message_of([&] {
                cuda::anchor_targets(nullptr, {f.data(), 4, 4}, {}, {i.data(), 1, 3},
                                     {i.data(), 1, 3}, {f.data(), 3, 4}, i.span());
              }),
              testing::StartsWith("anchor_targets: anchors is 4x4, match 1x3"));
  EXPECT_THAT(test::message_of([&] {
                cuda::roi_targets(nullptr, {{f.data(), 3, 4}, i.in(), i.in(), i.in()}, {},
                                  {f.data(), 3, 4}, i.span(), kRoiCoding);
              }),
              testing::StartsWith("roi_targets: rois is 3x4, 4 labels"));
}

}  // namespace
}  // namespace ktrain
