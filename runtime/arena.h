// One address range from which every tensor's memory comes.
//
// On the host the range is reserved once and pages become real when they are first written, so that
// a pass which only plans (Queue::planning) costs nothing and tells the exact peak. A freed block
// goes back to the range and is used again: a step that repeats the last one's sizes takes no new
// memory. On a GPU the range is one allocation of the size that such a pass has found. Where a
// block lies depends on the order and the sizes of the calls alone.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

#include "runtime/free_ranges.h"

namespace ktrain {

// What memory is for; the rows of the memory plan.
enum class MemoryUse : std::uint8_t {
  kParameters,
  kOptimizer,
  kBatch,
  kActivations,
  kGradients,
  kWorkspace,
};
inline constexpr std::size_t kNumMemoryUses = 6;
[[nodiscard]] std::string_view name(MemoryUse use);

// New tensors of this thread are accounted to `use` while the scope lives. The default is
// activations.
class MemoryUseScope {
 public:
  explicit MemoryUseScope(MemoryUse use);
  ~MemoryUseScope();
  MemoryUseScope(const MemoryUseScope&) = delete;
  MemoryUseScope& operator=(const MemoryUseScope&) = delete;
  [[nodiscard]] static MemoryUse current();

 private:
  MemoryUse before_;
};

struct MemoryUsage {
  std::int64_t live_bytes = 0;
  std::int64_t peak_bytes = 0;  // largest live_bytes since the last reset
  std::int64_t high_water_bytes =
      0;                     // end of the highest block since the last reset: peak plus gaps
  std::int64_t growths = 0;  // how often the high water rose since the last reset
  std::array<std::int64_t, kNumMemoryUses> live_by_use{};
  std::array<std::int64_t, kNumMemoryUses> peak_by_use{};  // at the moment of peak_bytes
};

// Where an arena's range lies.
enum class ArenaMemory : std::uint8_t {
  kHost,
  kDevice,   // one allocation of the GPU
  kNowhere,  // addresses without memory, for a pass that plans: a touch ends the process
};

// Thread-safe. Blocks are aligned to 64 bytes, from 1 MiB on to 4 KiB.
class Arena {
 public:
  // On the host it reserves addresses only; with 0, four times the machine's memory. Throws Fault
  // KT-SYS-002 when not even 256 MiB of addresses can be had, or the GPU does not have the bytes.
  explicit Arena(std::int64_t capacity_bytes = 0, ArenaMemory memory = ArenaMemory::kHost);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Contents are whatever was there. 0 bytes give a valid pointer. Throws Fault KT-SYS-002 when the
  // range is full.
  [[nodiscard]] void* allocate(std::int64_t bytes, MemoryUse use);
  void release(void* block) noexcept;

  // Between these two, work is given to several streams that do not wait for each other
  // (runtime/fork.h): blocks freed meanwhile are used again by the lane that made and freed them
  // alone, others after the end. What was free before is everybody's. Gradients that outlive the
  // end are no lane's any more: both lanes of the next may read them.
  void begin_lanes(int lanes);
  // What is made and freed from now on belongs to `lane`, from 1 on.
  void use_lane(int lane);
  void end_lanes() noexcept;

  [[nodiscard]] MemoryUsage usage() const;
  // Forgets peak and high water above what lives now; call between planning and running.
  void reset_peak();
  [[nodiscard]] std::int64_t capacity_bytes() const { return capacity_; }
  [[nodiscard]] ArenaMemory memory() const { return memory_; }
  // A number of the set of blocks that live now, with where they lie and how large they are.
  [[nodiscard]] std::uint64_t layout() const;

 private:
  struct Block {
    std::int64_t bytes;
    MemoryUse use;
    int lane;  // that made it; 0: none
  };
  // A place of `bytes` above everything that was used before.
  std::int64_t grow(std::int64_t bytes, std::int64_t alignment);
  void lower_top();
  void reserve_addresses();

  ArenaMemory memory_;
  mutable std::mutex mutex_;
  std::byte* base_ = nullptr;
  std::int64_t capacity_ = 0;
  std::int64_t top_ = 0;                  // everything from here on is free
  FreeRanges free_;                       // below top_
  std::map<std::int64_t, Block> blocks_;  // offset -> live block
  int lane_ = 0;                          // 0: no lanes
  // Freed since the lanes began: [0] by another lane than it was made by, [i] by its lane i.
  std::vector<FreeRanges> of_lanes_;
  MemoryUsage usage_;
  std::uint64_t layout_ = 0;
};

// Bytes of memory in the machine, and how many of them a new program may take without swapping.
[[nodiscard]] std::int64_t physical_memory_bytes();
[[nodiscard]] std::int64_t available_memory_bytes();

}  // namespace ktrain
