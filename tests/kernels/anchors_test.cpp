#include "kernels/anchors.h"

#include <cmath>
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

const std::vector<PyramidLevel> kFull = {
    {128, 160, 4}, {64, 80, 8}, {32, 40, 16}, {16, 20, 32}, {8, 10, 64}};

TEST(Anchors, AgreeWithPyTorchToTheBit) {
  const test::Reference reference("anchors.txt");
  ASSERT_EQ(num_anchors(span(kFull)), 81840);
  EXPECT_EQ(reference.get("count").at(0), 81840);
  std::vector<float> full(81840 * 4);
  cpu::make_anchors(span(kFull), {}, rows(full, 4));
  std::vector<float> at_rows;
  for (const double row : reference.get("rows"))
    for (std::size_t c = 0; c < 4; ++c)
      at_rows.push_back(full.at(static_cast<std::size_t>(row) * 4 + c));
  EXPECT_EQ(at_rows, reference.get<float>("at_rows"));
  std::vector<double> sum(4, 0.0);
  for (std::size_t i = 0; i < full.size(); ++i) sum[i % 4] += full[i];
  // 81,840 sums of doubles in another order.
  EXPECT_TRUE(test::all_close(sum, reference.get("sum"), 0, 1e-12));

  const std::vector<PyramidLevel> small = {{3, 5, 4}, {2, 3, 8}};
  std::vector<float> anchors(static_cast<std::size_t>(num_anchors(span(small)) * 4));
  cpu::make_anchors(span(small), {}, rows(anchors, 4));
  EXPECT_EQ(anchors, reference.get<float>("small"));
}

TEST(Anchors, SidesOfTheFirstCell) {
  const std::vector<PyramidLevel> level = {{1, 1, 4}};
  std::vector<double> a(12);
  cpu::make_anchors(span(level), {}, rows(a, 4));
  const double s = 32 / std::sqrt(2.0);  // 22.63, and 45.25 is its double
  const std::vector<double> want = {-s, -s / 2, s, s / 2, -16, -16, 16, 16, -s / 2, -s, s / 2, s};
  EXPECT_TRUE(test::all_close(a, want, 1e-12, 0));
}

TEST(Anchors, OtherShapes) {
  const std::vector<PyramidLevel> level = {{1, 1, 4}};
  std::vector<double> a(12);
  cpu::make_anchors(span(level), {2, {1, 4, 0.25}}, rows(a, 4));
  EXPECT_THAT(a, testing::ElementsAre(-4, -4, 4, 4, -2, -8, 2, 8, -8, -2, 8, 2));
  EXPECT_THROW(cpu::make_anchors(span(level), {2, {1, 0, 1}}, rows(a, 4)), Error);
}

TEST(Anchors, ValidityCutsAtTheImagesOwnSize) {
  const std::vector<std::int32_t> sizes = {500, 601, 512, 640, 0, 0, 4096, 4096};
  std::vector<std::uint8_t> valid(4 * 81840, 7);
  cpu::anchor_validity(span(kFull), rows(sizes, 2), rows(valid, 81840), 1);
  std::vector<double> counts;
  std::size_t a = 0;
  for (const PyramidLevel& level : kFull) {
    double count = 0;
    for (std::int64_t i = 0; i < level.num_anchors(); ++i) count += valid.at(a++);
    counts.push_back(count);
  }
  EXPECT_EQ(counts, test::Reference("anchors.txt").get("valid"));
  // ceil(601 / 4) = 151 columns of the first row are real.
  EXPECT_EQ(valid[151 * 3 - 1], 1);
  EXPECT_EQ(valid[151 * 3], 0);
  const auto image = [&](int n) {
    return std::vector<std::uint8_t>(valid.begin() + n * 81840, valid.begin() + (n + 1) * 81840);
  };
  EXPECT_THAT(image(1), testing::Each(1));
  EXPECT_THAT(image(2), testing::Each(0));
  EXPECT_THAT(image(3), testing::Each(1));
}

TEST(Anchors, ValidityOfAnImagePaddedToAMultiple) {
  const std::vector<PyramidLevel> level = {{12, 16, 4}};
  const std::vector<std::int32_t> sizes = {33, 1};
  std::vector<std::uint8_t> valid(12 * 16 * 3, 7);
  cpu::anchor_validity(span(level), rows(sizes, 2), rows(valid, 12 * 16 * 3), 32);
  for (std::size_t i = 0; i < 12; ++i)  // 64 x 32 pixels: all 12 rows, 8 columns
    for (std::size_t j = 0; j < 16; ++j) ASSERT_EQ(valid[(i * 16 + j) * 3 + 2], j < 8 ? 1 : 0);
}

TEST(Anchors, WrongShapesAreErrors) {
  std::vector<float> a(12);
  const std::vector<PyramidLevel> none = {{1, 1, 0}};
  try {
    cpu::make_anchors(span(none), {}, rows(a, 4));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("make_anchors: level 0 has stride 0"));
  }
  EXPECT_THROW(cpu::make_anchors(span(kFull), {}, rows(a, 4)), Error);
}

}  // namespace
}  // namespace ktrain
