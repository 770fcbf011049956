// The CUDA anchors must equal the CPU's to the last bit.
#include "kernels/anchors.h"

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
using Levels = std::vector<PyramidLevel>;

std::vector<float> on_device(const Levels& levels, const AnchorShapes& shapes,
                             std::int64_t offset) {
  const Stream stream;
  const std::int64_t size = num_anchors(test::span(levels));
  const DeviceView<float> anchors(size * 4, offset);
  cuda::make_anchors(stream.get(), test::span(levels), shapes, {anchors.data(), size, 4});
  return anchors.to_host(stream.get());
}

template <class T>
std::vector<T> on_cpu(const Levels& levels, const AnchorShapes& shapes) {
  const std::int64_t size = num_anchors(test::span(levels));
  std::vector<T> anchors(static_cast<std::size_t>(size * 4));
  cpu::make_anchors<T>(test::span(levels), shapes, {anchors.data(), size, 4});
  return anchors;
}

class AnchorsCuda : public testing::TestWithParam<Levels> {};
INSTANTIATE_TEST_SUITE_P(
    Pyramids, AnchorsCuda,
    testing::Values(Levels{}, Levels{{1, 1, 4}}, Levels{{0, 5, 4}, {3, 2, 7}},
                    Levels{{12, 17, 4}, {6, 9, 8}, {3, 5, 16}, {2, 3, 32}, {1, 2, 64}},
                    Levels{{test::large(128), 160, 4}, {5, 7, 8}}));

TEST_P(AnchorsCuda, EqualTheCpu) {
  KT_NEEDS_GPU();
  for (const AnchorShapes& shapes : {AnchorShapes{}, AnchorShapes{5.3, {0.41, 1.7, 2.44}}}) {
    const auto got = on_device(GetParam(), shapes, 0);
    EXPECT_TRUE(test::same_bits(got, on_cpu<float>(GetParam(), shapes)));
    // Numbers up to 1,000 with a few roundings.
    EXPECT_TRUE(test::all_close(got, on_cpu<double>(GetParam(), shapes), 5e-4, 0));
    EXPECT_TRUE(test::same_bits(on_device(GetParam(), shapes, 1), got));
  }
}

TEST_P(AnchorsCuda, ValidityEqualsTheCpu) {
  KT_NEEDS_GPU();
  const Levels& levels = GetParam();
  const std::int64_t size = num_anchors(test::span(levels));
  const std::vector<std::int32_t> sizes = {48, 68, 1, 1, 0, 30, 33, 41, 500, 700};
  for (const std::int64_t multiple : {1, 32}) {
    std::vector<std::uint8_t> want(static_cast<std::size_t>(5 * size));
    cpu::anchor_validity(test::span(levels), test::rows(sizes, 2), {want.data(), 5, size},
                         multiple);
    for (const std::int64_t offset : {0, 1}) {
      const Stream stream;
      const DeviceView<std::int32_t> dsizes(stream.get(), sizes);
      const DeviceView<std::uint8_t> valid(5 * size, offset);
      cuda::anchor_validity(stream.get(), test::span(levels), {dsizes.data(), 5, 2},
                            {valid.data(), 5, size}, multiple);
      EXPECT_EQ(valid.to_host(stream.get()), want);
    }
  }
}

TEST(AnchorsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> x(16);
  const auto message = [&](const Levels& levels, const AnchorShapes& shapes) {
    return test::message_of([&] {
      cuda::make_anchors(nullptr, test::span(levels), shapes,
                         {x.data(), num_anchors(test::span(levels)), 4});
    });
  };
  EXPECT_THAT(message({{1, 1, 4}}, {0}), testing::StartsWith("make_anchors: scale 0"));
  EXPECT_THAT(message({{1, 1, 0}}, {}), testing::StartsWith("make_anchors: level 0 has stride 0"));
  EXPECT_THAT(message(Levels(9, {0, 0, 1}), {}), testing::HasSubstr("9 levels, at most 8 on CUDA"));
}

}  // namespace
}  // namespace ktrain
