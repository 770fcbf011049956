#include "runtime/arena.h"

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

TEST(Arena, BlocksNeverOverlapAndComeBackWhole) {
  Arena arena(std::int64_t{64} << 20);
  std::mt19937 engine(7);
  struct Live {
    unsigned char* data;
    std::size_t size;
    unsigned char mark;
  };
  std::vector<Live> live;
  for (int round = 0; round < 3000; ++round) {
    if (live.size() < 20 && engine() % 2) {
      const std::size_t size = engine() % 8 == 0 ? (1u << 20) + engine() % 4096 : engine() % 5000;
      auto* data = static_cast<unsigned char*>(
          arena.allocate(static_cast<std::int64_t>(size), MemoryUse::kActivations));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 64, 0u);
      const auto mark = static_cast<unsigned char>(round);
      std::memset(data, mark, size);
      live.push_back({data, size, mark});
    } else if (!live.empty()) {
      const std::size_t pick = engine() % live.size();
      for (std::size_t i = 0; i < live[pick].size; ++i)
        ASSERT_EQ(live[pick].data[i], live[pick].mark);
      arena.release(live[pick].data);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(pick));
    }
  }
  for (const Live& block : live) arena.release(block.data);
  EXPECT_EQ(arena.usage().live_bytes, 0);
  // All ranges joined again: one block may take (nearly) everything.
  void* all = arena.allocate(std::int64_t{63} << 20, MemoryUse::kBatch);
  arena.release(all);
}

TEST(Arena, RepeatingTheSameSizesTakesNoNewMemory) {
  Arena arena(std::int64_t{64} << 20);
  const auto step = [&] {
    void* a = arena.allocate(3 << 20, MemoryUse::kActivations);
    void* b = arena.allocate(100, MemoryUse::kWorkspace);
    arena.release(a);
    void* c = arena.allocate(1 << 20, MemoryUse::kGradients);
    arena.release(b);
    arena.release(c);
  };
  step();
  step();
  const std::int64_t growths = arena.usage().growths;
  for (int i = 0; i < 10; ++i) step();
  EXPECT_EQ(arena.usage().growths, growths);
}

TEST(Arena, CountsByUseAtThePeak) {
  Arena arena(std::int64_t{64} << 20);
  void* a = arena.allocate(1 << 20, MemoryUse::kParameters);
  void* b = arena.allocate(2 << 20, MemoryUse::kActivations);
  arena.release(b);
  void* c = arena.allocate(1 << 20, MemoryUse::kGradients);
  const MemoryUsage usage = arena.usage();
  EXPECT_EQ(usage.peak_bytes, 3 << 20);
  EXPECT_EQ(usage.peak_by_use[static_cast<std::size_t>(MemoryUse::kActivations)], 2 << 20);
  EXPECT_EQ(usage.peak_by_use[static_cast<std::size_t>(MemoryUse::kGradients)], 0);
  EXPECT_EQ(usage.live_bytes, 2 << 20);
  arena.release(a);
  arena.release(c);
}

// What a lane frees is its own until the end of the lanes; what it did not make is nobody's.
TEST(Arena, ALaneUsesWhatItFreedItselfAndNothingOfTheOther) {
  Arena arena(std::int64_t{64} << 20);
  const auto take = [&] { return arena.allocate(1 << 20, MemoryUse::kActivations); };
  void *const before = take(), *const free_before = take(), *const end = take();
  arena.release(free_before);
  arena.begin_lanes(2);
  arena.use_lane(1);
  void* const a = take();
  EXPECT_EQ(a, free_before) << "what was free before is everybody's";
  arena.release(a);
  arena.release(before);  // made before: the other lane may be reading it
  arena.use_lane(2);
  void *const b = take(), *const c = take();
  for (const void* const block : {b, c}) EXPECT_TRUE(block != a && block != before && block != end);
  arena.use_lane(1);
  void* const again = take();
  EXPECT_EQ(again, a) << "its own";
  arena.release(b);  // lane 2's, let go in lane 1
  arena.use_lane(2);
  void* const d = take();
  EXPECT_TRUE(d != b && d != before);
  arena.end_lanes();
  arena.release(again);
  std::vector<void*> all;
  for (int i = 0; i < 3; ++i) all.push_back(take());
  EXPECT_THAT(all, testing::UnorderedElementsAre(before, again, b)) << "everything is back";
  for (void* const block : {c, d, end, all[0], all[1], all[2]}) arena.release(block);
  EXPECT_EQ(arena.usage().live_bytes, 0);
  void* const whole = arena.allocate(std::int64_t{63} << 20, MemoryUse::kBatch);
  arena.release(whole);
}

// What a lane made and saved it frees in the next fork for itself; a gradient it does not: there
// both lanes may be given it.
TEST(Arena, AGradientThatOutlivesItsLaneIsNoLanes) {
  Arena arena(std::int64_t{64} << 20);
  for (const MemoryUse use : {MemoryUse::kActivations, MemoryUse::kGradients}) {
    arena.begin_lanes(2);
    arena.use_lane(1);
    void* const made = arena.allocate(1 << 20, use);
    arena.end_lanes();
    arena.begin_lanes(2);
    arena.use_lane(1);
    arena.release(made);
    void* const next = arena.allocate(1 << 20, use);
    EXPECT_EQ(next == made, use == MemoryUse::kActivations);
    arena.end_lanes();
    arena.release(next);
  }
}

TEST(Arena, LanesDoNotNestAndAreNumbered) {
  Arena arena(std::int64_t{1} << 20);
  EXPECT_THROW(arena.use_lane(1), Error);
  arena.begin_lanes(2);
  EXPECT_THROW(arena.begin_lanes(2), Error);
  EXPECT_THROW(arena.use_lane(3), Error);
  EXPECT_THROW(arena.use_lane(0), Error);
  arena.end_lanes();
}

TEST(Arena, FullIsAFaultThatNamesTheSizes) {
  Arena arena(std::int64_t{1} << 20);
  try {
    (void)arena.allocate(std::int64_t{2} << 20, MemoryUse::kBatch);
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-SYS-002");
    EXPECT_EQ(fault.exit(), Exit::kOutOfMemory);
  }
}

}  // namespace
}  // namespace ktrain
