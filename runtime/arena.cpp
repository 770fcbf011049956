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

void Arena::insert_free(std::int64_t offset, std::int64_t bytes) {
  free_.emplace(offset, bytes);
  by_size_.emplace(bytes, offset);
}

void Arena::erase_free(std::map<std::int64_t, std::int64_t>::iterator range) {
  by_size_.erase({range->second, range->first});
  free_.erase(range);
}

void* Arena::allocate(std::int64_t bytes, MemoryUse use) {
  KT_CHECK(bytes >= 0, "Arena: {} bytes asked", bytes);
  const std::int64_t need = rounded(bytes);
  const std::int64_t alignment = need >= kLarge ? kLargeAlignment : kSmallAlignment;
  const std::lock_guard lock(mutex_);

  // The smallest free range that holds the block; the lowest of equals.
  std::int64_t offset = -1;
  for (auto found = by_size_.lower_bound({need, 0}); found != by_size_.end(); ++found) {
    const auto [size, start] = *found;
    const std::int64_t aligned = (start + alignment - 1) / alignment * alignment;
    if (aligned + need > start + size) continue;
    erase_free(free_.find(start));
    if (aligned > start) insert_free(start, aligned - start);
    if (aligned + need < start + size) insert_free(aligned + need, start + size - aligned - need);
    offset = aligned;
    break;
  }
  if (offset < 0) {
    offset = (top_ + alignment - 1) / alignment * alignment;
    // The last free range may touch the top: begin there instead of behind it.
    if (!free_.empty()) {
      const auto last = std::prev(free_.end());
      if (last->first + last->second == top_) {
        const std::int64_t start = last->first;
        erase_free(last);
        offset = (start + alignment - 1) / alignment * alignment;
        if (offset > start) insert_free(start, offset - start);
      } else if (offset > top_) {
        insert_free(top_, offset - top_);
      }
    } else if (offset > top_) {
      insert_free(top_, offset - top_);
    }
    if (offset + need > capacity_)
      throw_fault("KT-SYS-002",
                  "out of memory: {} bytes asked, {} MiB in use of {} MiB; use a smaller batch, "
                  "image or model",
                  bytes, usage_.live_bytes >> 20, capacity_ >> 20);
    top_ = offset + need;
    if (top_ > usage_.high_water_bytes) {
      usage_.high_water_bytes = top_;
      ++usage_.growths;
    }
  }
  blocks_.emplace(offset, Block{need, use});
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
  std::int64_t offset = static_cast<std::byte*>(block) - base_;
  const auto found = blocks_.find(offset);
  assert(found != blocks_.end() && "released twice, or not from this arena");
  if (found == blocks_.end()) return;
  std::int64_t bytes = found->second.bytes;
  usage_.live_bytes -= bytes;
  usage_.live_by_use[static_cast<std::size_t>(found->second.use)] -= bytes;
  blocks_.erase(found);
  layout_ -= mark(offset, bytes);

  auto next = free_.lower_bound(offset);
  if (next != free_.end() && offset + bytes == next->first) {
    bytes += next->second;
    const auto gone = next++;
    erase_free(gone);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == offset) {
      offset = before->first;
      bytes += before->second;
      erase_free(before);
    }
  }
  if (offset + bytes == top_)
    top_ = offset;
  else
    insert_free(offset, bytes);
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
