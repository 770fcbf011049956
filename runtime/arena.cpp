#include "runtime/arena.h"

#include <algorithm>
#include <cassert>
#include <fstream>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "kernels/device/memory.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

constexpr std::int64_t kSmallAlignment = 64;
constexpr std::int64_t kLargeAlignment = 4096;
constexpr std::int64_t kLarge = std::int64_t{1} << 20;
constexpr std::int64_t kSmallestReserve = std::int64_t{256} << 20;

thread_local MemoryUse current_use = MemoryUse::kActivations;

std::int64_t rounded(std::int64_t bytes) {
  const std::int64_t unit = bytes >= kLarge ? kLargeAlignment : kSmallAlignment;
  return std::max(unit, (bytes + unit - 1) / unit * unit);
}

// Of one block; well mixed, so that the sum over a set of blocks tells sets apart.
std::uint64_t mark(std::int64_t offset, std::int64_t bytes) {
  std::uint64_t z = static_cast<std::uint64_t>(offset) * 0x9E3779B97F4A7C15u +
                    static_cast<std::uint64_t>(bytes) * 0xD1B54A32D192ED03u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

std::string_view name(MemoryUse use) {
  constexpr std::array<std::string_view, kNumMemoryUses> kNames = {
      "parameters", "optimizer", "batch", "activations", "gradients", "workspace"};
  return kNames[static_cast<std::size_t>(use)];
}

MemoryUseScope::MemoryUseScope(MemoryUse use) : before_(current_use) { current_use = use; }
MemoryUseScope::~MemoryUseScope() { current_use = before_; }
MemoryUse MemoryUseScope::current() { return current_use; }

Arena::Arena(std::int64_t capacity_bytes, ArenaMemory memory) : memory_(memory) {
  capacity_ = capacity_bytes > 0 ? rounded(capacity_bytes) : 4 * physical_memory_bytes();
  if (memory != ArenaMemory::kDevice) {
    reserve_addresses();
    return;
  }
  const DeviceMemory device = device_memory();
  if (capacity_ > device.free_bytes)
    throw_fault("KT-SYS-002", "the GPU has {} MiB free of {} MiB, {} MiB are wanted",
                device.free_bytes >> 20, device.total_bytes >> 20, (capacity_ >> 20) + 1);
  base_ = static_cast<std::byte*>(device_allocate(capacity_));
}

void Arena::reserve_addresses() {
  const int access = memory_ == ArenaMemory::kHost ? PROT_READ | PROT_WRITE : PROT_NONE;
  for (;;) {
    void* const base = mmap(nullptr, static_cast<std::size_t>(capacity_), access,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base != MAP_FAILED) {
      base_ = static_cast<std::byte*>(base);
      break;
    }
    if (capacity_ / 2 < kSmallestReserve)
      throw_fault("KT-SYS-002",
                  "the system gives no {} MiB of addresses; raise the address limit (ulimit -v)",
                  kSmallestReserve >> 20);
    capacity_ /= 2;
  }
  if (memory_ != ArenaMemory::kHost) return;
  // Large pages save the page faults that otherwise cost more than the arithmetic; where the kernel
  // has none to give, small ones work too.
  (void)madvise(base_, static_cast<std::size_t>(capacity_), MADV_HUGEPAGE);
}

Arena::~Arena() {
  assert(blocks_.empty() && "a tensor outlives its arena");
  if (memory_ == ArenaMemory::kDevice)
    device_free(base_);
  else
    munmap(base_, static_cast<std::size_t>(capacity_));
}

std::int64_t Arena::grow(std::int64_t bytes, std::int64_t alignment) {
  // The last free range may touch the top: begin there instead of behind it.
  const std::int64_t start = free_.take_before(top_).value_or(top_);
  const std::int64_t offset = (start + alignment - 1) / alignment * alignment;
  if (offset + bytes > capacity_) {
    if (start < top_) free_.put(start, top_ - start);
    return -1;
  }
  if (offset > start) free_.put(start, offset - start);
  top_ = offset + bytes;
  if (top_ > usage_.high_water_bytes) {
    usage_.high_water_bytes = top_;
    ++usage_.growths;
  }
  return offset;
}

void* Arena::allocate(std::int64_t bytes, MemoryUse use) {
  KT_CHECK(bytes >= 0, "Arena: {} bytes asked", bytes);
  const std::int64_t need = rounded(bytes);
  const std::int64_t alignment = need >= kLarge ? kLargeAlignment : kSmallAlignment;
  const std::lock_guard lock(mutex_);

  std::optional<std::int64_t> place;
  if (lane_ > 0) place = of_lanes_[static_cast<std::size_t>(lane_)].take(need, alignment);
  if (!place) place = free_.take(need, alignment);
  const std::int64_t offset = place ? *place : grow(need, alignment);
  if (offset < 0)
    throw_fault("KT-SYS-002",
                "out of memory: {} bytes asked, {} MiB in use of {} MiB; use a smaller batch, "
                "image or model",
                bytes, usage_.live_bytes >> 20, capacity_ >> 20);
  blocks_.emplace(offset, Block{need, use, lane_});
  layout_ += mark(offset, need);
  const auto slot = static_cast<std::size_t>(use);
  usage_.live_bytes += need;
  usage_.live_by_use[slot] += need;
  if (usage_.live_bytes > usage_.peak_bytes) {
    usage_.peak_bytes = usage_.live_bytes;
    usage_.peak_by_use = usage_.live_by_use;
  }
  return base_ + offset;
}

void Arena::release(void* block) noexcept {
  const std::lock_guard lock(mutex_);
  const std::int64_t offset = static_cast<std::byte*>(block) - base_;
  const auto found = blocks_.find(offset);
  assert(found != blocks_.end() && "released twice, or not from this arena");
  if (found == blocks_.end()) return;
  const auto [bytes, use, lane] = found->second;
  usage_.live_bytes -= bytes;
  usage_.live_by_use[static_cast<std::size_t>(use)] -= bytes;
  blocks_.erase(found);
  layout_ -= mark(offset, bytes);
  if (!of_lanes_.empty()) {
    of_lanes_[lane == lane_ ? static_cast<std::size_t>(lane) : 0].put(offset, bytes);
    return;
  }
  free_.put(offset, bytes);
  lower_top();
}

void Arena::lower_top() {
  if (const auto start = free_.take_before(top_)) top_ = *start;
}

void Arena::begin_lanes(int lanes) {
  const std::lock_guard lock(mutex_);
  KT_CHECK(of_lanes_.empty() && lanes > 0, "Arena: {} lanes, and there are {} already", lanes,
           of_lanes_.size());
  of_lanes_.resize(static_cast<std::size_t>(lanes) + 1);
}

void Arena::use_lane(int lane) {
  const std::lock_guard lock(mutex_);
  KT_CHECK(lane > 0 && lane < static_cast<int>(of_lanes_.size()), "Arena: no lane {}", lane);
  lane_ = lane;
}

void Arena::end_lanes() noexcept {
  const std::lock_guard lock(mutex_);
  for (FreeRanges& ranges : of_lanes_) ranges.move_to(free_);
  // A gradient that outlives a fork may be read by both lanes of the next.
  for (auto& [offset, block] : blocks_)
    if (block.use == MemoryUse::kGradients) block.lane = 0;
  of_lanes_.clear();
  lane_ = 0;
  lower_top();
}

MemoryUsage Arena::usage() const {
  const std::lock_guard lock(mutex_);
  return usage_;
}

std::uint64_t Arena::layout() const {
  const std::lock_guard lock(mutex_);
  return layout_;
}

void Arena::reset_peak() {
  const std::lock_guard lock(mutex_);
  usage_.peak_bytes = usage_.live_bytes;
  usage_.peak_by_use = usage_.live_by_use;
  usage_.high_water_bytes = top_;
  usage_.growths = 0;
}

std::int64_t physical_memory_bytes() {
  return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

std::int64_t available_memory_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  std::int64_t kib = 0;
  for (std::string rest; meminfo >> key >> kib; std::getline(meminfo, rest))
    if (key == "MemAvailable:") return kib << 10;
  return physical_memory_bytes();
}

}  // namespace ktrain
