// With a clock that the test makes up.
#include "train/monitor/probe_schedule.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace ktrain {
namespace {

struct Spent {
  std::int64_t probes = 0, first = -1, last = -1;
  double plain = 0, extra = 0;
};

// Walks the steps [from, to); a plain step takes a second, a probe as much as `cost` says on top.
template <class Cost>
Spent walk(ProbeSchedule& schedule, std::int64_t from, std::int64_t to, Cost&& cost) {
  Spent spent;
  for (std::int64_t step = from; step < to; ++step) {
    spent.plain += 1;
    if (!schedule.due(step)) {
      schedule.plain(1.0);
      continue;
    }
    ++spent.probes;
    if (spent.first < 0) spent.first = step + 1;
    spent.last = step + 1;
    spent.extra += cost(step);
    schedule.probed(step, 1.0 + cost(step));
  }
  return spent;
}

TEST(ProbeSchedule, CheapProbesKeepTheBurstAndTheInterval) {
  ProbeSchedule schedule(MonitorPlan{}, 10000, false);
  const Spent spent = walk(schedule, 0, 10000, [](std::int64_t) { return 0.5; });
  EXPECT_EQ(spent.first, 10);
  EXPECT_EQ(spent.probes, 20 + (10000 - 200) / 50);
  EXPECT_EQ(schedule.interval(), 50);
  EXPECT_EQ(schedule.take_notice(), "");
  EXPECT_LE(spent.extra, 0.03 * spent.plain);
}

TEST(ProbeSchedule, BudgetHoldsHoweverDearProbesAreAndHoweverShortTheRun) {
  for (const std::int64_t steps : {60, 125, 500, 2000, 20000})
    for (const double cost : {0.05, 0.6, 1.5, 4.0, 40.0}) {
      ProbeSchedule schedule(MonitorPlan{}, steps, false);
      const Spent spent = walk(schedule, 0, steps, [&](std::int64_t) { return cost; });
      // The first probe is taken before anybody knows what it costs.
      EXPECT_LE(spent.extra, std::max(0.03 * static_cast<double>(steps), cost) + 1e-9)
          << steps << " steps, cost " << cost;
      EXPECT_GE(spent.probes, 1);
    }
}

TEST(ProbeSchedule, BudgetHoldsWhenProbesDiffer) {
  // Every fifth one measures more.
  ProbeSchedule schedule(MonitorPlan{}, 2000, false);
  std::int64_t probe = 0;
  double extra = 0;
  for (std::int64_t step = 0; step < 2000; ++step) {
    if (!schedule.due(step)) {
      schedule.plain(1.0);
      continue;
    }
    const double cost = probe++ % 5 == 0 ? 2.5 : 0.5;
    extra += cost;
    schedule.probed(step, 1.0 + cost);
  }
  EXPECT_LE(extra, 0.03 * 2000);
  EXPECT_GE(extra, 0.02 * 2000) << "and the budget is used";
}

TEST(ProbeSchedule, ProbesThatBecomeDearerStretchTheIntervalAndItIsSaid) {
  ProbeSchedule schedule(MonitorPlan{}, 10000, false);
  const auto cost = [](std::int64_t step) { return step < 2000 ? 0.6 : 6.0; };
  const Spent before = walk(schedule, 0, 5000, cost);
  EXPECT_GT(schedule.interval(), 100);
  EXPECT_NE(schedule.take_notice().find("instead of 50"), std::string::npos);
  EXPECT_EQ(schedule.take_notice(), "") << "once";
  const Spent after = walk(schedule, 5000, 10000, cost);
  EXPECT_LE(before.extra + after.extra, 0.03 * 10000);
}

TEST(ProbeSchedule, ProbesThatCostNothingKeepTheirIntervalWhateverTheBudget) {
  for (const double budget : {0.0, 3.0}) {
    MonitorPlan plan;
    plan.budget_pct = budget;
    plan.burst = 0;
    ProbeSchedule schedule(plan, 1000, false);
    EXPECT_EQ(walk(schedule, 0, 1000, [](std::int64_t) { return 0.0; }).probes, 20);
    EXPECT_EQ(schedule.interval(), 50);
  }
}

TEST(ProbeSchedule, WithoutABudgetTheFirstProbeThatCostsSomethingIsTheLast) {
  MonitorPlan plan;
  plan.budget_pct = 0;
  ProbeSchedule schedule(plan, 1000, false);
  EXPECT_EQ(walk(schedule, 0, 1000, [](std::int64_t) { return 0.1; }).probes, 1);
}

// As the monitor asks: a walk in every probe, other measurements in turns and as far as they are
// afforded. Even a run of four probes stays within its budget, and has them all.
TEST(ProbeSchedule, MeasurementsInTurnsKeepAShortRunWithinItsBudget) {
  for (const std::int64_t steps : {120, 240, 2000}) {
    ProbeSchedule schedule(MonitorPlan{}, steps, false);
    double extra = 0;
    int real = 0, looks = 0;
    for (std::int64_t step = 0; step < steps; ++step) {
      if (!schedule.due(step)) {
        schedule.plain(1.0);
        continue;
      }
      double cost = 0.6;
      if (schedule.turn(5, 1) && schedule.affords(1.25)) cost += 1.25, ++real;
      if (schedule.turn(5, 2) && schedule.affords(2.0)) cost += 2.0, ++looks;
      extra += cost;
      schedule.probed(step, 1.0 + cost);
    }
    EXPECT_LE(extra, 0.03 * static_cast<double>(steps)) << steps;
    EXPECT_GE(real, 1) << steps;
    EXPECT_GE(looks, steps > 120 ? 1 : 0) << steps;
  }
}

TEST(ProbeSchedule, WhatTheBudgetDoesNotHoldIsNotAfforded) {
  ProbeSchedule schedule(MonitorPlan{}, 100, false);  // 3 steps' worth
  EXPECT_TRUE(schedule.affords(1000)) << "nothing has been timed yet";
  schedule.plain(2.0);
  EXPECT_TRUE(schedule.affords(2.9));
  EXPECT_FALSE(schedule.affords(3.1));
  schedule.probed(9, 2.0 + 1.0);  // half a step, and as much again for the next one's walk
  EXPECT_TRUE(schedule.affords(1.9));
  EXPECT_FALSE(schedule.affords(2.1));
  EXPECT_TRUE(ProbeSchedule(MonitorPlan{}, 100, true).affords(1000)) << "surgery has no budget";
}

TEST(ProbeSchedule, TurnsComeOnceAPeriod) {
  ProbeSchedule schedule(MonitorPlan{}, 100, true);
  std::string turns;
  for (int probe = 0; probe < 6; ++probe) {
    turns += schedule.turn(3, 1) ? 'x' : '.';
    EXPECT_TRUE(schedule.turn(1, 2)) << "every probe";
    EXPECT_FALSE(schedule.turn(0, 0)) << "never";
    schedule.probed(probe, 1);
  }
  EXPECT_EQ(turns, ".x..x.");
}

TEST(ProbeSchedule, SurgeryProbesEveryStep) {
  ProbeSchedule schedule(MonitorPlan{}, 100, true);
  EXPECT_EQ(walk(schedule, 0, 100, [](std::int64_t) { return 5.0; }).probes, 100);
}

TEST(ProbeSchedule, GoesOnWithTheSameStepsAfterItWasSaved) {
  const auto cost = [](std::int64_t step) { return 0.5 + 0.01 * static_cast<double>(step % 7); };
  ProbeSchedule whole(MonitorPlan{}, 1000, false), first(MonitorPlan{}, 1000, false),
      second(MonitorPlan{}, 1000, false);
  const Spent want = walk(whole, 0, 1000, cost);
  const Spent a = walk(first, 0, 333, cost);
  second.restore(nlohmann::json::parse(first.state().dump()));
  const Spent b = walk(second, 333, 1000, cost);
  EXPECT_EQ(a.probes + b.probes, want.probes);
  EXPECT_EQ(b.last, want.last);
  EXPECT_EQ(second.state(), whole.state());
}

}  // namespace
}  // namespace ktrain
