#include "runtime/arena.h"

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

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
