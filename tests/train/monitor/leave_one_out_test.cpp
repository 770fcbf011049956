#include "train/monitor/leave_one_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace ktrain {
namespace {

using testing::ElementsAre;

TEST(LeaveOneOut, KeepsTheLastTenOfALoss) {
  LeaveOneOut all;
  for (int i = 1; i <= 12; ++i) (void)all.add("macl", i, 0.05, 0.01);
  EXPECT_THAT(all.add("macl", 13, 0.05, 0.01), ElementsAre(4, 5, 6, 7, 8, 9, 10, 11, 12, 13));
  EXPECT_THAT(all.add("dhn", 1, 0.05, 0.01), ElementsAre(1));
}

TEST(LeaveOneOut, BeginsAnewUnderAnotherDose) {
  LeaveOneOut all;
  (void)all.add("macl", 1, 0.05, 0.01);
  EXPECT_THAT(all.add("macl", 2, 0.1, 0.005), ElementsAre(1, 2));  // twice and half still count
  EXPECT_THAT(all.add("macl", 3, 0.11, 0.005), ElementsAre(3));    // against what came first
  EXPECT_THAT(all.add("macl", 4, 0.11, 0.002), ElementsAre(4));
}

TEST(LeaveOneOut, GoesOnAfterARestart) {
  LeaveOneOut first, second;
  (void)first.add("macl", 1, 0.05, 0.01);
  (void)first.add("macl", 2, 0.05, 0.01);
  second.restore(nlohmann::json::parse(first.state().dump()));
  EXPECT_THAT(second.add("macl", 3, 0.05, 0.01), ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace ktrain
