#include "kernels/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/parallel.h"
#include "kernels/profile.h"
#include "kernels/queue.h"

namespace ktrain {
namespace {

TEST(Check, SaysWhatWasFoundAndWhere) {
  try {
    KT_CHECK(1 == 2, "softmax_forward: x has {} rows, y {}", 2, 3);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("softmax_forward: x has 2 rows, y 3 (tests/"));
  }
}

TEST(Parallel, CoversEveryIndexOnceAndCarriesTheError) {
  std::vector<int> seen(1001, 0);
  parallel_for(1001, 10, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
  EXPECT_THAT(seen, testing::Each(1));
  EXPECT_THROW(parallel_for(100, 1, [&](std::int64_t i) { KT_CHECK(i != 57, "chunk {}", i); }),
               Error);
}

TEST(Queue, PlanningSkipsTheWorkAndAMissingKernelIsNamed) {
  Queue queue;
  queue.planning = true;
  run_on_cpu(queue, "never", [] { FAIL() << "ran while planning"; });
  queue.planning = false;
  queue.device = Device::kCuda;
  EXPECT_THROW(run_on_cpu(queue, "only_here", [] {}), Error);
}

TEST(Queue, ProfileCountsCalls) {
  Profile profile;
  Queue queue;
  queue.profile = &profile;
  for (int i = 0; i < 3; ++i) run_on_cpu(queue, "work", [] {});
  EXPECT_EQ(profile.entries().at("work").calls, 3);
}

}  // namespace
}  // namespace ktrain
