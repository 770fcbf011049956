#include "kernels/columns.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

TEST(Columns, PlaceAndTakeAreEachOthersInverse) {
  const std::vector<double> x = {1, 2, 3, 4};
  std::vector<double> wide(2 * 5, 9);
  cpu::place_columns<double>({x.data(), 2, 2}, {wide.data(), 2, 5}, 2);
  EXPECT_THAT(wide, testing::ElementsAre(9, 9, 1, 2, 9, 9, 9, 3, 4, 9));
  std::vector<double> back(4);
  cpu::take_columns<double>({wide.data(), 2, 5}, {back.data(), 2, 2}, 2);
  EXPECT_EQ(back, x);
}

TEST(Columns, RunsWithoutColumnsOrRowsDoNothing) {
  std::vector<float> wide = {1, 2};
  cpu::place_columns<float>({nullptr, 1, 0}, {wide.data(), 1, 2}, 2);
  cpu::take_columns<float>({nullptr, 0, 3}, {nullptr, 0, 2}, 1);
  EXPECT_THAT(wide, testing::ElementsAre(1, 2));
}

TEST(Columns, RefuseARunThatDoesNotFit) {
  std::vector<float> x(2), y(4);
  EXPECT_THAT(
      [&] {
        cpu::place_columns<float>({x.data(), 1, 2}, {y.data(), 1, 4}, 3);
      },
      testing::ThrowsMessage<Error>(
          testing::HasSubstr("a run of 1x2 from column 3 on does not lie in 1x4")));
  EXPECT_THAT(
      [&] {
        cpu::take_columns<float>({y.data(), 2, 2}, {x.data(), 1, 2}, 0);
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("1x2 from column 0")));
}

}  // namespace
}  // namespace ktrain
