#include "train/schedule.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/plan_load.h"

namespace ktrain {
namespace {

using ::testing::HasSubstr;

// The rate in the last step of each epoch.
std::vector<double> by_epoch(const Plan& plan, std::int64_t epochs, std::int64_t steps) {
  const Timeline timeline{epochs, steps};
  std::vector<double> out;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch)
    out.push_back(
        learning_rate(plan.schedule, timeline, plan.optimizer.lr, (epoch + 1) * steps - 1));
  return out;
}

Plan plan_of(const std::string& text) { return parse_plan(text, "test").plan; }

TEST(Schedule, GoldenTableOfPlanA) {
  const Plan plan = plan_of(
      "optimizer.lr = 5e-5\ntrain.epochs = 5\n"
      "schedule = {kind = 'cosine', begin = 1, end = 5, min_lr = 1e-6, warmup_steps = 100}");
  const auto rates = by_epoch(plan, 5, 11439);
  // The table gives three digits.
  const double want[] = {5.0e-5, 5.0e-5, 4.28e-5, 2.55e-5, 8.2e-6};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(rates[i], want[i], 0.005 * want[i]) << i;
  EXPECT_DOUBLE_EQ(rates[0], 5e-5);
  EXPECT_DOUBLE_EQ(rates[1], 5e-5);
  EXPECT_DOUBLE_EQ(rates[3], 1e-6 + 4.9e-5 / 2);
  // The whole of an epoch runs at one rate.
  EXPECT_EQ(learning_rate(plan.schedule, {5, 11439}, 5e-5, 2 * 11439), rates[2]);
}

TEST(Schedule, GoldenTableOfTheFailedRun) {
  const Plan plan = plan_of(
      "optimizer.lr = 1e-4\ntrain.epochs = 8\n"
      "schedule = {kind = 'cosine', begin = 1, end = 8, min_lr = 1e-5, warmup_steps = 200}");
  const auto rates = by_epoch(plan, 8, 11439);
  const double want[] = {1e-4, 1e-4, 9.55e-5};
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(rates[i], want[i], 0.0005 * want[i]) << i;
}

TEST(Schedule, GoldenTableOfTheUpstreamDefault) {
  const Plan plan = plan_of(
      "optimizer.lr = 0.02\n"
      "schedule = {kind = 'multistep', milestones = [8, 11], gamma = 0.1, warmup_steps = 500}");
  const auto rates = by_epoch(plan, 12, 1000);
  for (int epoch = 1; epoch <= 12; ++epoch)
    EXPECT_DOUBLE_EQ(rates[static_cast<std::size_t>(epoch - 1)], epoch <= 8    ? 0.02
                                                                 : epoch <= 11 ? 0.02 * 0.1
                                                                               : 0.02 * 0.1 * 0.1);
}

TEST(Schedule, WarmupRisesLinearlyToOne) {
  SchedulePlan schedule;
  schedule.kind = "constant";
  schedule.warmup_steps = 101;
  schedule.warmup_factor = 0.001;
  const Timeline timeline{2, 200};
  const auto rate = [&](std::int64_t step) { return learning_rate(schedule, timeline, 1.0, step); };
  EXPECT_DOUBLE_EQ(rate(0), 0.001);
  EXPECT_DOUBLE_EQ(rate(50), 0.001 + 0.999 / 2);
  EXPECT_DOUBLE_EQ(rate(100), 1.0);
  EXPECT_DOUBLE_EQ(rate(399), 1.0);
  EXPECT_LT(rate(99), 1.0);
  for (const std::int64_t none : {0, 1}) {
    schedule.warmup_steps = none;
    EXPECT_DOUBLE_EQ(rate(0), 1.0);
  }
}

TEST(Schedule, CosineByStepEndsOneStepAboveTheFloor) {
  const Plan plan = plan_of("optimizer.lr = 1.0\nschedule = {kind = 'cosine', unit = 'step'}");
  const Timeline timeline{2, 50};
  EXPECT_DOUBLE_EQ(learning_rate(plan.schedule, timeline, 1.0, 0), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(plan.schedule, timeline, 1.0, 50), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(plan.schedule, timeline, 1.0, 99),
                   (1 + std::cos(std::acos(-1.0) * 0.99)) / 2);
}

TEST(Schedule, RateHoldsAfterTheCosineEnds) {
  const Plan plan = plan_of(
      "train.epochs = 4\nschedule = {kind = 'cosine', end = 2, min_lr = 0}\noptimizer.lr=1");
  const auto rates = by_epoch(plan, 4, 10);
  EXPECT_DOUBLE_EQ(rates[0], 1.0);
  EXPECT_DOUBLE_EQ(rates[1], 0.5);
  EXPECT_DOUBLE_EQ(rates[3], 0.5);
}

// T21.
TEST(Weight, ConstantAndRamps) {
  const Timeline timeline{3, 1000};
  EXPECT_EQ(weight_at({{}, {0.05}, "step", "linear"}, timeline, 12345), 0.05);
  const WeightSchedule ramp{{0, 3}, {0.0, 0.01}, "epoch", "linear"};
  EXPECT_EQ(weight_at(ramp, timeline, 0), 0.0);
  EXPECT_EQ(weight_at(ramp, timeline, 1500), 0.005);  // exactly half
  EXPECT_EQ(weight_at(ramp, timeline, 3000), 0.01);
  EXPECT_EQ(weight_at(ramp, timeline, 99999), 0.01);
  const WeightSchedule late{{2000, 6000}, {0.0, 0.01}, "step", "cosine"};
  EXPECT_EQ(weight_at(late, timeline, 1999), 0.0);
  EXPECT_NEAR(weight_at(late, timeline, 3000), 0.01 * (1 - std::sqrt(0.5)) / 2, 1e-17);
  EXPECT_DOUBLE_EQ(weight_at(late, timeline, 4000), 0.005);
  const WeightSchedule steps{{0, 1, 2}, {1.0, 3.0, 2.0}, "epoch", "linear"};
  EXPECT_EQ(weight_at(steps, timeline, 1000), 3.0);
  EXPECT_EQ(weight_at(steps, timeline, 1500), 2.5);
}

// T18.
TEST(Weight, GradientReversalShape) {
  const Timeline timeline{1, 1000};
  const WeightSchedule grl{{0, 1000}, {0.0, 1.0}, "step", "grl"};
  EXPECT_EQ(weight_at(grl, timeline, 0), 0.0);
  EXPECT_NEAR(weight_at(grl, timeline, 500), 0.98661, 5e-6);
  EXPECT_NEAR(weight_at(grl, timeline, 999), 0.99991, 1e-5);
}

TEST(Schedule, DryRunDrawsWhatMoves) {
  const Plan plan = plan_of(
      "optimizer.lr = 5e-5\ntrain.epochs = 5\nloss.roi_cls.weight = {at=[0,9], value=[0,1]}\n"
      "schedule = {kind = 'cosine', begin = 1, end = 5, min_lr = 1e-6}");
  const std::string text = schedules_text(plan, {5, 10});
  EXPECT_THAT(text, HasSubstr("epoch 3    4.28e-05"));
  EXPECT_THAT(text, HasSubstr("weight of rpn_cls   1\n"));
  EXPECT_THAT(text, HasSubstr("weight of roi_cls\n         1 |"));
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 32 && c < 127));
}

TEST(Schedule, CurveStaysInItsFrame) {
  EXPECT_EQ(draw_curve({}, 3, 4), "");
  EXPECT_EQ(draw_curve({2, 2}, 2, 3), "         2 |***\n         2 |\n");
  EXPECT_EQ(draw_curve({0, 1, 2, 3}, 2, 4), "         3 |  **\n         0 |**\n");
}

}  // namespace
}  // namespace ktrain
