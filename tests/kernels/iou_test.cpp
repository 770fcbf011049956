#include "kernels/iou.h"

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

TEST(Iou, MatrixAgreesWithPyTorchToTheBit) {
  const test::Reference reference("iou.txt");
  const auto a = reference.get<float>("a"), b = reference.get<float>("b");
  const auto cols = static_cast<std::int64_t>(b.size() / 4);
  std::vector<float> out(a.size() / 4 * b.size() / 4);
  cpu::overlap_matrix(rows(a, 4), rows(b, 4), rows(out, cols), Overlap::kIou);
  EXPECT_EQ(out, reference.get<float>("iou"));
  cpu::overlap_matrix(rows(a, 4), rows(b, 4), rows(out, cols), Overlap::kIof);
  EXPECT_EQ(out, reference.get<float>("iof"));
}

TEST(Iou, KnownFractions) {
  const double unit[4] = {0, 0, 2, 2}, shifted[4] = {1, 1, 3, 3}, far[4] = {2, 0, 4, 2},
               point[4] = {1, 1, 1, 1};
  EXPECT_DOUBLE_EQ(box_overlap(unit, shifted, Overlap::kIou), 1.0 / 7);
  EXPECT_DOUBLE_EQ(box_overlap(unit, shifted, Overlap::kIof), 1.0 / 4);
  EXPECT_EQ(box_overlap(unit, unit, Overlap::kIou), 1.0);
  EXPECT_EQ(box_overlap(unit, far, Overlap::kIou), 0.0);  // they share an edge
  EXPECT_EQ(box_overlap(point, point, Overlap::kIou), 0.0);
  EXPECT_EQ(box_overlap(point, unit, Overlap::kIof), 0.0);
}

TEST(Iou, PairsAreTheDiagonalOfTheMatrix) {
  const auto a = test::random_boxes<float>(33, 1, 20, 20),
             b = test::random_boxes<float>(33, 2, 20, 20);
  for (const Overlap kind : {Overlap::kIou, Overlap::kIof}) {
    std::vector<float> matrix(33 * 33), pairs(33), diagonal;
    cpu::overlap_matrix(rows(a, 4), rows(b, 4), rows(matrix, 33), kind);
    cpu::overlap_pairs(rows(a, 4), rows(b, 4), span(pairs), kind);
    for (std::size_t i = 0; i < 33; ++i) diagonal.push_back(matrix[i * 34]);
    EXPECT_EQ(pairs, diagonal);
    EXPECT_THAT(pairs, testing::Each(testing::AllOf(testing::Ge(0.0f), testing::Le(1.0f))));
  }
}

TEST(Iou, EmptyAndWrongShapes) {
  const std::vector<float> none, one = {0, 0, 1, 1};
  std::vector<float> out(1);
  cpu::overlap_matrix(rows(none, 4), rows(one, 4), Rows<float>{nullptr, 0, 1}, Overlap::kIou);
  cpu::overlap_matrix(rows(one, 4), rows(none, 4), Rows<float>{nullptr, 1, 0}, Overlap::kIou);
  try {
    cpu::overlap_pairs(rows(one, 4), rows(none, 4), span(out), Overlap::kIou);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("overlap_pairs: a is 1x4, b 0x4, out 1"));
  }
}

}  // namespace
}  // namespace ktrain
