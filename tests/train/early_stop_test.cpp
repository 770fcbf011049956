#include "train/early_stop.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"

namespace ktrain {
namespace {

using ::testing::HasSubstr;

StopPlan rule(double threshold, std::int64_t patience, std::int64_t begin = 1) {
  StopPlan plan;
  plan.threshold = threshold;
  plan.patience = patience;
  plan.begin = begin;
  return plan;
}

TEST(EarlyStop, ReplayOfTheRecordedRun) {
  EarlyStop stop(rule(0.58, 2));
  EXPECT_FALSE(stop.update(2, 0.5884).stop);
  EXPECT_FALSE(stop.update(3, 0.5542).stop);
  const StopVerdict last = stop.update(4, 0.5276);
  EXPECT_TRUE(last.stop);
  EXPECT_FALSE(last.best);
  EXPECT_EQ(last.reason, "map 0.5276 is below 0.58 (2 of 2)");
  EXPECT_EQ(stop.best_epoch(), 2);
  EXPECT_EQ(stop.best_value(), 0.5884);
  EXPECT_TRUE(stop.stopped());
}

TEST(EarlyStop, AGoodValueResetsTheCount) {
  EarlyStop stop(rule(0.5, 2));
  for (const double value : {0.4, 0.6, 0.4, 0.5, 0.4}) EXPECT_FALSE(stop.update(1, value).stop);
  EXPECT_TRUE(stop.update(6, 0.4).stop);
}

TEST(EarlyStop, CountsFromBeginOnly) {
  EarlyStop stop(rule(0.5, 2, 3));
  EXPECT_FALSE(stop.update(1, 0.1).stop);
  const StopVerdict second = stop.update(2, 0.2);
  EXPECT_FALSE(second.stop);
  EXPECT_TRUE(second.best);
  EXPECT_THAT(second.reason, HasSubstr("counted from epoch 3 on"));
  EXPECT_FALSE(stop.update(3, 0.1).stop);
  EXPECT_TRUE(stop.update(4, 0.1).stop);
}

TEST(EarlyStop, OffButStillChoosesTheBest) {
  EarlyStop stop(rule(0.9, 0));
  EXPECT_TRUE(stop.update(1, 0.1).best);
  EXPECT_TRUE(stop.update(2, 0.3).best);
  EXPECT_FALSE(stop.update(3, 0.3).best);  // a tie keeps the earlier one
  EXPECT_FALSE(stop.update(4, 0.0).stop);
  EXPECT_EQ(stop.best_epoch(), 2);
}

TEST(EarlyStop, LowerIsBetterForAMissRate) {
  StopPlan plan = rule(0.3, 1);
  plan.metric = "miss_rate";
  EarlyStop stop(plan);
  EXPECT_FALSE(stop.update(1, 0.25).stop);
  EXPECT_TRUE(stop.update(2, 0.2).best);
  const StopVerdict worse = stop.update(3, 0.31);
  EXPECT_TRUE(worse.stop);
  EXPECT_EQ(worse.reason, "miss_rate 0.3100 is above 0.3 (1 of 1)");
  EXPECT_EQ(stop.best_epoch(), 2);
}

TEST(EarlyStop, MissingOrNotANumberIsAFailure) {
  EarlyStop stop(rule(0.5, 0));
  for (const std::optional<double> value :
       {std::optional<double>{}, std::optional<double>{NAN}, std::optional<double>{INFINITY}}) {
    try {
      (void)stop.update(7, value);
      FAIL() << "a value that is no number was taken";
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), "KT-NUM-010");
      EXPECT_EQ(fault.exit(), Exit::kNonFinite);
      EXPECT_THAT(fault.what(), HasSubstr("validation of epoch 7: map is "));
    }
  }
  EXPECT_EQ(stop.best_epoch(), 0);
}

TEST(EarlyStop, StateGoesOnWhereItWas) {
  EarlyStop first(rule(0.58, 2));
  (void)first.update(2, 0.1 + 0.2);
  EarlyStop second(rule(0.58, 2));
  second.restore(first.state());
  EXPECT_EQ(second.best_value(), 0.1 + 0.2);  // to the bit
  EXPECT_TRUE(second.update(3, 0.1).stop);
  EXPECT_EQ(second.best_epoch(), 2);
  for (const char* text : {"", "[]", "{}", "{\"bad\":\"1\"}", "nonsense"})
    EXPECT_THROW(second.restore(text), Error) << text;
}

}  // namespace
}  // namespace ktrain
