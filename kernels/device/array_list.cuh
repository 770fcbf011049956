// Arrays of many sizes as one kernel takes them: a model's hundreds of tensors are cut into chunks,
// a block each, whatever tensor they belong to.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {

// Up to kMost entries; of each, kArrays pointers to `size` elements and a row of something else.
// It has to fit into the 4 KiB that the arguments of a kernel may take everywhere.
template <int kArrays, int kMost>
struct ArrayList {
  float* data[kArrays][kMost];
  std::int64_t size[kMost];
  std::int32_t first[kMost + 1];  // the chunk that an entry begins with
  std::int32_t row[kMost];
  std::uint64_t aligned[(kMost + 63) / 64];  // all pointers of an entry, for quads
  int count;

  [[nodiscard]] bool full() const { return count == kMost; }
  [[nodiscard]] std::int32_t chunks() const { return first[count]; }

  // An entry without elements is left out. Host.
  void add(std::int64_t elements, std::int64_t chunk, std::int64_t at_row,
           const std::array<float*, kArrays>& arrays) {
    if (elements == 0) return;
    const int at = count++;
    bool quads = true;
    for (int k = 0; k < kArrays; ++k) {
      data[k][at] = arrays[static_cast<std::size_t>(k)];
      quads = quads && aligned_for_quads(data[k][at]);
    }
    size[at] = elements;
    row[at] = static_cast<std::int32_t>(at_row);
    first[at + 1] = first[at] + static_cast<std::int32_t>(num_blocks(elements, chunk));
    if (quads) aligned[at / 64] |= std::uint64_t{1} << (at % 64);
  }

  // The entry that `chunk` belongs to.
  [[nodiscard]] __device__ int entry_of(std::int32_t chunk) const {
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (first[middle] <= chunk)
        low = middle;
      else
        high = middle;
    }
    return low;
  }
  [[nodiscard]] __device__ bool in_quads(int entry) const {
    return (aligned[entry / 64] >> (entry % 64) & 1) != 0;
  }
};

// Deals `count` arrays out: add(list, k) for each, go(list) for every list that is full and for the
// last one. Host.
template <class List, class Add, class Go>
void for_lists(std::int64_t count, const Add& add, const Go& go) {
  List list{};
  for (std::int64_t k = 0; k < count; ++k) {
    add(list, k);
    if (list.count == 0 || !(list.full() || k + 1 == count)) continue;
    go(list);
    list = {};
  }
}

// The element of this thread, in chunks of kThreads, if there is one: act(entry, its place).
template <int kThreads, int kArrays, int kMost, class Act>
__device__ __forceinline__ void for_element(const ArrayList<kArrays, kMost>& list, const Act& act) {
  const auto chunk = static_cast<std::int32_t>(blockIdx.x);
  const int entry = list.entry_of(chunk);
  const std::int64_t i = std::int64_t{chunk - list.first[entry]} * kThreads + threadIdx.x;
  if (i < list.size[entry]) act(entry, i);
}

// The chunk of this block, of kChunk elements, which belongs to `entry`: update(x) for each of
// them, where x[k] is the element of array k, the first only read; four at a time by thread.
template <int kThreads, std::int64_t kChunk, int kArrays, int kMost, class Update>
__device__ __forceinline__ void update_chunk(const ArrayList<kArrays, kMost>& list, int entry,
                                             const Update& update) {
  const auto chunk = static_cast<std::int32_t>(blockIdx.x);
  const std::int64_t begin = std::int64_t{chunk - list.first[entry]} * kChunk;
  const std::int64_t left = list.size[entry] - begin, count = left < kChunk ? left : kChunk;
  const bool aligned = list.in_quads(entry);
  for (std::int64_t i = threadIdx.x * 4; i < count; i += kThreads * 4) {
    float4 quads[kArrays];
#pragma unroll
    for (int k = 0; k < kArrays; ++k)
      quads[k] = load_quad(list.data[k][entry] + begin + i, aligned, count - i);
    const auto update_one = [&](float float4::*part) {
      float x[kArrays];
#pragma unroll
      for (int k = 0; k < kArrays; ++k) x[k] = quads[k].*part;
      update(x);
#pragma unroll
      for (int k = 1; k < kArrays; ++k) quads[k].*part = x[k];
    };
    update_one(&float4::x);
    update_one(&float4::y);
    update_one(&float4::z);
    update_one(&float4::w);
#pragma unroll
    for (int k = 1; k < kArrays; ++k)
      store_quad(list.data[k][entry] + begin + i, quads[k], aligned, count - i);
  }
}

}  // namespace ktrain::cuda
