#include "kernels/row_labels.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

TEST(RowLabels, GiveRealRowsTheirClassAndCountThem) {
  const std::vector<std::int32_t> rows = {0, -1, 3, 0};
  std::vector<std::int32_t> labels(4, 9);
  float count = -1;
  cpu::row_labels<float>({rows.data(), 4}, {labels.data(), 4}, {&count, 1}, 1);
  EXPECT_THAT(labels, testing::ElementsAre(1, -1, 1, 1));
  EXPECT_EQ(count, 3);
  double none = -1;
  cpu::row_labels<double>({rows.data(), 0}, {labels.data(), 0}, {&none, 1}, 1);
  EXPECT_EQ(none, 0);
}

TEST(RowAccuracy, IsTheShareOfRowsWhoseOwnLogitIsAbove) {
  const std::vector<double> logits = {1, 2, 2, 1, 3, 3, 0, 9};
  const std::vector<std::int32_t> labels = {1, 1, 0, -1}, none(4, -1);
  double share = -1;
  cpu::row_accuracy<double>({logits.data(), 4, 2}, {labels.data(), 4}, {&share, 1});
  EXPECT_EQ(share, 0.5) << "one right, one wrong, one half, one that does not count";
  cpu::row_accuracy<double>({logits.data(), 4, 2}, {none.data(), 4}, {&share, 1});
  EXPECT_EQ(share, 0);
  EXPECT_THAT(
      [&] {
        cpu::row_accuracy<double>({logits.data(), 2, 4}, {labels.data(), 2}, {&share, 1});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("logits 2x4, 2 labels")));
}

TEST(RowLabels, RefuseSizesThatDoNotAgree) {
  const std::vector<std::int32_t> rows = {0, 1};
  std::vector<std::int32_t> labels(1);
  float count = 0;
  EXPECT_THAT(
      [&] {
        cpu::row_labels<float>({rows.data(), 2}, {labels.data(), 1}, {&count, 1}, 0);
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("2 rows, 1 labels")));
}

}  // namespace
}  // namespace ktrain
