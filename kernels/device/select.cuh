// The smallest of many entries, and their order, by one block. An entry is a number of 64 bits, no
// two alike: a key above the place it came from, so that equal keys keep the order of their places
// and the answer is one, whatever the threads do.
//
// Written by hand and not with CUB: a block serves a list whose length stands in device memory,
// many lists of different lengths share a launch, nothing but the few smallest is ever sorted,
// entries are made on the fly and need no memory, and the same code runs on the CPU's emulation.
#pragma once

#include <cstdint>

#include "kernels/device/entry_room.h"
#include "kernels/device/port.cuh"
#include "kernels/device/reduce.cuh"

namespace ktrain {

// What select_limit takes for "not one of them".
constexpr std::uint64_t kNoEntry = ~std::uint64_t{0};

__device__ __forceinline__ std::uint64_t entry_of(std::uint32_t key, std::int64_t place) {
  return (std::uint64_t{key} << 32) | static_cast<std::uint32_t>(place);
}
__device__ __forceinline__ std::int64_t place_of(std::uint64_t entry) {
  return static_cast<std::int64_t>(entry & 0xffffffffu);
}

// Ascending keys are descending scores: the order of ranks_before in topk.h. A NaN is minus
// infinity; adding 0 makes a 0 of -0, which equals it.
__device__ __forceinline__ std::uint32_t descending_key(float score) {
  const std::uint32_t bits = __float_as_uint(score == score ? score + 0.0f : -INFINITY);
  return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

// The entries below `limit` are taken; there are `taken` of them.
struct Selection {
  std::uint64_t limit;
  std::int64_t taken;
};

// 256 bins for 8 bits of the entries. Scores of a network share their leading bits: copies of a bin
// by lane keep a warp from queueing at one counter.
constexpr int kSelectBits = 8;
constexpr int kSelectBins = 1 << kSelectBits;
constexpr int kSelectCopies = 8;

struct SelectMemory {
  int bin[kSelectBins * kSelectCopies];
  int total[kSelectBins];
  int digit, below, within;
};

namespace select_detail {

constexpr int kBatch = 4;  // entries that a thread loads before it counts them

// Adds the entries whose bits above the digit are those of `prefix` to the bins.
template <int kThreads, class Entry>
__device__ void count_digits(std::int64_t size, Entry&& entry, std::uint64_t prefix, int shift,
                             int* bin) {
  const std::uint64_t above =
      shift + kSelectBits >= 64 ? 0 : ~std::uint64_t{0} << (shift + kSelectBits);
  const int copy = static_cast<int>(threadIdx.x) % kSelectCopies;
  for (std::int64_t base = threadIdx.x; base < size; base += kThreads * kBatch) {
    std::uint64_t e[kBatch];
#pragma unroll
    for (int k = 0; k < kBatch; ++k)
      e[k] = base + k * kThreads < size ? entry(base + k * kThreads) : kNoEntry;
#pragma unroll
    for (int k = 0; k < kBatch; ++k) {
      const int digit = static_cast<int>((e[k] >> shift) & (kSelectBins - 1));
      // Counts are whole numbers: the order of the atomics cannot matter.
      if (e[k] != kNoEntry && ((e[k] ^ prefix) & above) == 0)
        atomicAdd(&bin[digit * kSelectCopies + copy], 1);
    }
  }
}

// Finds the bin in which the `wanted`-th entry lies; the last one when there are fewer. One warp.
__device__ inline void find_digit(std::int64_t wanted, SelectMemory& memory) {
  constexpr int kPerLane = kSelectBins / kWarpSize;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  int own = 0;
  for (int k = 0; k < kPerLane; ++k) own += memory.total[lane * kPerLane + k];
  int up_to = own;
#pragma unroll
  for (int d = 1; d < kWarpSize; d *= 2) {
    const int before = __shfl_sync(kAllLanes, up_to, lane >= d ? lane - d : lane);
    if (lane >= d) up_to += before;
  }
  const int all = __shfl_sync(kAllLanes, up_to, kWarpSize - 1);
  const int goal = wanted < all ? static_cast<int>(wanted) : all;
  int below = up_to - own;
  if (!(below < goal && goal <= up_to) && !(all == 0 && lane == 0)) return;
  int digit = lane * kPerLane;
  while (below + memory.total[digit] < goal) below += memory.total[digit++];
  memory.digit = digit;
  memory.below = below;
  memory.within = memory.total[digit];
}

}  // namespace select_detail

// Takes the `wanted` smallest of entry(0) .. entry(size - 1), or all when there are fewer, and more
// than that when this saves passes over the entries, but never more than `room`, which is at least
// `wanted`. Every thread of the block calls it and gets the same answer. Up to eight passes, one
// for 8 bits, as long as the bin in which the last one falls is larger than `room` allows.
template <int kThreads, class Entry>
__device__ Selection select_limit(std::int64_t size, std::int64_t wanted, std::int64_t room,
                                  Entry&& entry, SelectMemory& memory) {
  const int thread = static_cast<int>(threadIdx.x);
  if (wanted <= 0) return {0, 0};
  std::uint64_t prefix = 0;
  std::int64_t below = 0;
  for (int shift = 64 - kSelectBits;; shift -= kSelectBits) {
    __syncthreads();
    for (int i = thread; i < kSelectBins * kSelectCopies; i += kThreads) memory.bin[i] = 0;
    __syncthreads();
    select_detail::count_digits<kThreads>(size, entry, prefix, shift, memory.bin);
    __syncthreads();
    for (int i = thread; i < kSelectBins; i += kThreads) {
      int total = 0;
      for (int c = 0; c < kSelectCopies; ++c) total += memory.bin[i * kSelectCopies + c];
      memory.total[i] = total;
    }
    __syncthreads();
    if (thread < kWarpSize) select_detail::find_digit(wanted - below, memory);
    __syncthreads();
    prefix |= static_cast<std::uint64_t>(memory.digit) << shift;
    below += memory.below;
    const std::int64_t taken = below + memory.within;
    if (taken <= room || shift == 0) {
      const std::uint64_t last = prefix | ((std::uint64_t{1} << shift) - 1);
      return {last == kNoEntry ? last : last + 1, taken};
    }
  }
}

// Copies the entries below the limit to `list`, in any order: whoever sorts them next does not see
// it. Returns how many there were. `counter` is shared memory. Every thread of the block calls it;
// ends with a barrier.
template <int kThreads, class Entry>
__device__ int gather_entries(std::int64_t size, std::uint64_t limit, Entry&& entry, int* counter,
                              std::uint64_t* list) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  if (threadIdx.x == 0) *counter = 0;
  __syncthreads();
  for (std::int64_t base = 0; base < size; base += kThreads) {
    const std::int64_t i = base + threadIdx.x;
    const std::uint64_t e = i < size ? entry(i) : kNoEntry;
    const unsigned votes = __ballot_sync(kAllLanes, e < limit);
    int first = 0;
    if (lane == 0 && votes) first = atomicAdd(counter, __popc(votes));
    first = __shfl_sync(kAllLanes, first, 0);
    if (e < limit) list[first + __popc(votes & ((1u << lane) - 1))] = e;
  }
  __syncthreads();
  return *counter;
}

// Sorts list[0 .. size), ascending, by a bitonic network; list has room for the next power of two.
// Every thread of the block calls it; the caller's last write is ordered by the first barrier.
// Shared or device memory.
template <int kThreads>
__device__ void sort_entries(std::uint64_t* list, int size) {
  int width = 2;
  while (width < size) width *= 2;
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = size + thread; i < width; i += kThreads) list[i] = kNoEntry;
  for (int run = 2; run <= width; run *= 2) {
    for (int step = run / 2; step > 0; step /= 2) {
      __syncthreads();
      for (int p = thread; p < width / 2; p += kThreads) {
        const int i = (p & ~(step - 1)) * 2 + (p & (step - 1)), j = i + step;
        const std::uint64_t a = list[i], b = list[j];
        if ((a > b) == ((i & run) == 0)) {
          list[i] = b;
          list[j] = a;
        }
      }
    }
  }
  __syncthreads();
}

// The block's list: see entry_room.h.
template <bool kShared>
__device__ __forceinline__ std::uint64_t* entry_list(std::uint64_t* scratch, std::int64_t room) {
  if constexpr (kShared)
    return shared_array<std::uint64_t, kSharedEntries, struct EntryList>();
  else
    return scratch + blockIdx.x * room;
}

// The `wanted` smallest entries, ascending, in list[0 .. result); fewer when there are fewer. The
// list has room for `room`, a power of two. Every thread of the block calls it.
template <int kThreads, class Entry>
__device__ int smallest_entries(std::int64_t size, std::int64_t wanted, std::int64_t room,
                                Entry&& entry, std::uint64_t* list, SelectMemory& memory) {
  int* const counter = shared_array<int, 1, struct GatherCounter>();
  Selection chosen{kNoEntry, size};
  if (size > room) chosen = select_limit<kThreads>(size, wanted, room, entry, memory);
  const int taken = gather_entries<kThreads>(size, chosen.limit, entry, counter, list);
  sort_entries<kThreads>(list, taken);
  return taken < wanted ? taken : static_cast<int>(wanted);
}

template <int kThreads, class Entry>
__device__ int smallest_entries(std::int64_t size, std::int64_t wanted, std::int64_t room,
                                Entry&& entry, std::uint64_t* list) {
  SelectMemory* const memory = shared_array<SelectMemory, 1, struct SelectBins>();
  return smallest_entries<kThreads>(size, wanted, room, entry, list, *memory);
}

// Puts things one after another in the order of the threads, over several rounds.
template <int kThreads>
struct Placer {
  int* warp_counts;  // shared, one per warp
  int placed = 0;    // the same in all threads

  // The place of what this thread brings, or -1. Every thread of the block calls it. The first
  // barrier keeps a fast warp from overwriting counts that a slow one still reads.
  __device__ int place(bool brings) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
    const unsigned votes = __ballot_sync(kAllLanes, brings);
    __syncthreads();
    if (lane == 0) warp_counts[warp] = __popc(votes);
    __syncthreads();
    int before = placed;
    for (int w = 0; w < kThreads / kWarpSize; ++w) {
      if (w < warp) before += warp_counts[w];
      placed += warp_counts[w];
    }
    return brings ? before + __popc(votes & ((1u << lane) - 1)) : -1;
  }
};

}  // namespace ktrain
