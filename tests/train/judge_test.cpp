#include "train/recovery/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "train/early_stop.h"

namespace ktrain {
namespace {

using testing::HasSubstr;
using Kind = Trend::Kind;

std::vector<ValidationRecord> curve(std::int64_t first_epoch, const std::vector<double>& maps,
                                    const std::vector<double>& recalls = {}) {
  std::vector<ValidationRecord> out;
  for (std::size_t i = 0; i < maps.size(); ++i) {
    ValidationRecord v;
    v.epoch = first_epoch + static_cast<std::int64_t>(i);
    v.metrics["map"] = maps[i];
    if (i < recalls.size()) v.metrics["recall"] = recalls[i];
    out.push_back(v);
  }
  return out;
}

Subject subject(const std::vector<ValidationRecord>& validations, const std::string& state) {
  Subject s;
  s.name = "a";
  s.state = state;
  s.validations = validations;
  s.best = best_index(validations, "map");
  return s;
}

Recovery thresholds() {
  Recovery r;
  r.metric = "map";
  r.trend_tolerance = 0.01;
  r.trend_least = 3;
  r.levels = {{"success", "", {{"map", 0.63}, {"recall", 0.80}}, true, std::nullopt},
              {"partial", "", {{"map", 0.58}}, false, std::nullopt},
              {"optimal", "", {{"map", 0.65}, {"recall", 0.82}}, false, false}};
  return r;
}

bool reaches(const Subject& s, const std::string& level) {
  const Recovery r = thresholds();
  return judge(r, r.level(level), s).holds;
}

TEST(Judge, ARunThatFailedReachesNothingWhateverItHadReached) {
  Subject s = subject(curve(1, {0.70, 0.71, 0.72}, {0.9, 0.9, 0.9}), "failed");
  s.failure = "KT-NUM-001: step 9: macl is nan";
  for (const char* const level : {"success", "partial", "optimal"}) EXPECT_FALSE(reaches(s, level));
  const Recovery r = thresholds();
  const Verdict verdict = judge(r, r.level("partial"), s);
  ASSERT_EQ(verdict.criteria.size(), 1U);
  EXPECT_EQ(verdict.criteria[0].found, s.failure);
  EXPECT_EQ(s.evidence()["failure"], s.failure);
  EXPECT_EQ(s.evidence()["epoch"], 3);
  Subject early = subject({}, "failed");
  early.failure = s.failure;
  EXPECT_FALSE(reaches(early, "partial"));
  EXPECT_FALSE(early.evidence().contains("epoch"));
}

TEST(Judge, TheBetterIsNoneThatFailed) {
  const Recovery r = thresholds();
  Subject failed = subject(curve(1, {0.9}), "failed"), good = subject(curve(1, {0.5}), "done");
  failed.failure = "KT-NUM-001: step 9: macl is nan";
  EXPECT_EQ(&better_of(r, {&failed, &good}), &good);
  EXPECT_EQ(&better_of(r, {&good, &failed}), &good);
  try {
    (void)better_of(r, {&failed, &failed});
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-REC-004");
    EXPECT_THAT(fault.what(), HasSubstr("macl is nan"));
  }
}

TEST(Trend, LooksFromTheBestToTheLast) {
  const auto kind = [](const std::vector<double>& maps) {
    return trend_of(curve(1, maps), "map", 0.01, 3).kind;
  };
  EXPECT_EQ(kind({0.50, 0.55, 0.60}), Kind::kRising);
  EXPECT_EQ(kind({0.60, 0.61, 0.605}), Kind::kStable);
  EXPECT_EQ(kind({0.60, 0.59, 0.595}), Kind::kStable);
  EXPECT_EQ(kind({0.50, 0.64, 0.62}), Kind::kFalling);  // higher than at first, but on the way down
  EXPECT_EQ(kind({0.6288, 0.5908, 0.5265}), Kind::kFalling);
  EXPECT_EQ(kind({0.60, 0.61}), Kind::kUnknown);
  EXPECT_EQ(kind({}), Kind::kUnknown);
  // A drop of just the tolerance is none: 0.75 - 0.5 and 0.25 are exact in binary.
  EXPECT_EQ(trend_of(curve(1, {0.5, 0.75, 0.5}), "map", 0.25, 3).kind, Kind::kStable);
}

TEST(Trend, OfAMissRateFallsWhenItRises) {
  std::vector<ValidationRecord> misses = curve(1, {0, 0, 0});
  for (std::size_t i = 0; i < 3; ++i) misses[i].metrics["miss_rate"] = 0.2 + 0.1 * double(i);
  EXPECT_EQ(trend_of(misses, "miss_rate", 0.01, 3).kind, Kind::kFalling);
  std::reverse(misses.begin(), misses.end());
  EXPECT_EQ(trend_of(misses, "miss_rate", 0.01, 3).kind, Kind::kRising);
}

// The values that were recorded for plan A: early stop ends the run after the third of them, the
// best is that of epoch 2, and the tree takes the way of a partial recovery.
TEST(Judge, TheRecordedPlanAStopsAndIsPartial) {
  StopPlan rule;
  rule.threshold = 0.58;
  rule.patience = 2;
  EarlyStop stop(rule);
  const std::vector<ValidationRecord> record = curve(2, {0.5884, 0.5542, 0.5276});
  std::int64_t seen = 0;
  for (const ValidationRecord& v : record) {
    ++seen;
    if (stop.update(v.epoch, v.metric("map")).stop) break;
  }
  EXPECT_EQ(seen, 3);
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.best_epoch(), 2);
  const Subject s = subject(record, "stopped early");
  EXPECT_EQ(s.best_record().epoch, stop.best_epoch());
  EXPECT_FALSE(reaches(s, "success"));
  EXPECT_TRUE(reaches(s, "partial"));
  EXPECT_FALSE(reaches(s, "optimal"));
}

TEST(Judge, SuccessNeedsMapRecallAndTrend) {
  EXPECT_TRUE(reaches(subject(curve(1, {0.60, 0.62, 0.64}, {0.7, 0.7, 0.81}), "done"), "success"));
  EXPECT_TRUE(reaches(subject(curve(1, {0.60, 0.62, 0.63}, {0.7, 0.7, 0.80}), "done"), "success"));
  EXPECT_FALSE(reaches(subject(curve(1, {0.60, 0.62, 0.64}, {0.7, 0.7, 0.79}), "done"), "success"));
  EXPECT_FALSE(reaches(subject(curve(1, {0.64, 0.62, 0.60}, {0.9, 0.9, 0.9}), "done"), "success"));
}

// Recall of epoch 1 and map of epoch 3 do not make a success between them.
TEST(Judge, NumbersOfDifferentEpochsAreNotPutTogether) {
  const Subject s = subject(curve(1, {0.60, 0.62, 0.64}, {0.90, 0.85, 0.75}), "done");
  EXPECT_FALSE(reaches(s, "success"));
}

TEST(Judge, OptimalWantsARunThatWasNotStopped) {
  const auto good = curve(1, {0.64, 0.65, 0.66}, {0.8, 0.82, 0.83});
  EXPECT_TRUE(reaches(subject(good, "done"), "optimal"));
  EXPECT_FALSE(reaches(subject(good, "stopped early"), "optimal"));
}

TEST(Judge, AMetricThatWasNotMeasuredIsNoSuccess) {
  const Recovery r = thresholds();
  const Subject s = subject(curve(1, {0.64, 0.65, 0.66}), "done");
  const Verdict verdict = judge(r, r.level("success"), s);
  EXPECT_FALSE(verdict.holds);
  EXPECT_EQ(verdict.criteria.at(1).found, "not measured");
}

TEST(Judge, TheBetterIsTheFirstOfEquals) {
  const Recovery r = thresholds();
  const Subject low = subject(curve(1, {0.5}), "done"), high = subject(curve(1, {0.6}), "done"),
                same = subject(curve(2, {0.6}), "done");
  EXPECT_EQ(&better_of(r, {&low, &high, &same}), &high);
}

}  // namespace
}  // namespace ktrain
