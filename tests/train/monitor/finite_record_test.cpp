#include "train/monitor/finite_record.h"

#include <limits>

#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/probe.h"
#include "train/monitor/probe_json.h"

namespace ktrain {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

ProbeRecord sound() {
  ProbeRecord record = test::two_losses(test::gram_of(1, 1, 0.5), test::gram_of(2, 1, 0.1), 0.5);
  record.step = record.epoch = 1;
  record.groups.push_back(record.groups[0]);
  record.groups[1].group = "fusion";
  record.groups[1].rv = 0.5;
  record.features = {{"visible.p2", test::gram_of(1, 1, 0)}};
  record.predicted = {-1, 1};
  record.real = {-1, 1};
  return record;
}

TEST(FiniteRecord, OfASoundRecordNothingIsTakenOut) {
  ProbeRecord record = sound();
  EXPECT_TRUE(drop_non_finite(record).empty());
  EXPECT_TRUE(is_record(record));
  EXPECT_EQ(record, sound());
}

TEST(FiniteRecord, WhatIsNotFiniteIsLeftOutAndTheRestIsWritten) {
  for (const double bad : {kInf, -kInf, std::numeric_limits<double>::quiet_NaN()}) {
    ProbeRecord record = sound();
    record.groups[0].raw(0, 1) = bad;
    record.groups[1].preconditioned(1, 1) = bad;
    record.features[0].raw(0, 0) = bad;
    record.predicted[1] = bad;
    record.real[0] = bad;
    EXPECT_THROW((void)to_json(record), Error) << "the writer stays strict";
    const std::vector<Dropped> dropped = drop_non_finite(record);
    ASSERT_EQ(dropped.size(), 5u);
    EXPECT_EQ(dropped[0], (Dropped{kDroppedGradients, "visible.layer1"}));
    ASSERT_EQ(record.groups.size(), 1u);
    EXPECT_EQ(record.groups[0].preconditioned.size(), 0u);
    EXPECT_TRUE(record.features.empty() && record.predicted.empty() && record.real.empty());
    EXPECT_TRUE(is_record(record));
    EXPECT_EQ(probe_from_json(to_json(record), "x", 1), record);
  }
  ProbeRecord none = sound();
  none.clip_det = kInf;
  EXPECT_FALSE(is_record(none));
  none = sound();
  none.groups.clear();
  EXPECT_FALSE(is_record(none));
}

}  // namespace
}  // namespace ktrain
