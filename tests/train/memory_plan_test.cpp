#include "train/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

// 2 MiB fixed and 3 MiB a pair, of which 1 MiB is workspace.
void step(const ContextPtr& context, std::int64_t batch) {
  const Tensor fixed = Tensor::empty(context, {2 * kMiB}, DType::kU8);
  const Tensor maps = Tensor::empty(context, {batch, 2 * kMiB}, DType::kU8);
  const MemoryUseScope use(MemoryUse::kWorkspace);
  const Tensor scratch = Tensor::empty(context, {batch, kMiB}, DType::kU8);
}

TEST(MemoryPlan, TellsThePeakTheSlopeAndTheLargestBatch) {
  const ContextPtr context = make_cpu_context();
  const MemoryPlan plan =
      plan_memory(*context, 4, [&](std::int64_t batch) { step(context, batch); });
  EXPECT_EQ(plan.usage.peak_bytes, 14 * kMiB);
  EXPECT_EQ(plan.usage.peak_by_use[static_cast<std::size_t>(MemoryUse::kWorkspace)], 4 * kMiB);
  EXPECT_EQ(plan.bytes_per_pair, 3 * kMiB);
  EXPECT_EQ(plan.largest_batch, (plan.available_bytes - 2 * kMiB) / (3 * kMiB));
  EXPECT_FALSE(context->queue.planning);
  EXPECT_THAT(memory_table(plan), testing::HasSubstr("workspace           4.0 MiB"));
  EXPECT_NO_THROW(check_fits(plan));
}

TEST(MemoryPlan, WhatDoesNotFitIsSaidWithWhatDoes) {
  MemoryPlan plan;
  plan.batch = 16;
  plan.usage.high_water_bytes = 100 * kMiB;
  plan.available_bytes = 50 * kMiB;
  plan.largest_batch = 7;
  try {
    check_fits(plan);
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.exit(), Exit::kOutOfMemory);
    EXPECT_THAT(fault.what(), testing::HasSubstr("train.batch = 7 fits"));
  }
}

TEST(MemoryPlan, AStepThatLeavesMemoryBehindIsABug) {
  const ContextPtr context = make_cpu_context();
  std::vector<Tensor> kept;
  EXPECT_THROW((void)plan_memory(
                   *context, 1,
                   [&](std::int64_t batch) { kept.push_back(Tensor::empty(context, {batch})); }),
               Error);
}

}  // namespace
}  // namespace ktrain
