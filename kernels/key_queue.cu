// Mining: a block per row. It asks once of each entry whether it may be chosen and keeps the
// answers as bits; then passes over the row's similarities find where the guarded top ends and
// which come next (kernels/device/select.cuh): nothing but the answer is ever sorted. The queue's
// places and a row of similarities lie in the second cache. Enqueueing: a block per row, which
// counts those before it; the cursor moves in a launch of its own, when nobody reads it any more.
// Statistics: one block, whole numbers.
#include "kernels/key_queue.h"

#include "kernels/checks/key_queue.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/select.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMineThreads = 512;
constexpr int kCountThreads = 1024;

__global__ void __launch_bounds__(kThreads)
    places_kernel(const std::int32_t* marks, const std::int32_t* now, std::int64_t size,
                  std::int32_t* places) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= size) return;
  const std::int64_t r = i / kKeyColumns, c = i % kKeyColumns;
  places[i] = c == kKeyStep ? now[0] : marks[r * kKeyStep + c];
}

struct MineInput {
  const float* similarity;
  const std::int32_t* places;
  const std::int32_t* entries;
  std::int64_t size, words, count;  // entries, words of a row's bits, columns of indices
  MiningRule rule;
};

// Bit k of `bits`: entry k may be a negative of `row`. Returns how many may. The whole block.
__device__ std::int64_t mark_allowed(const MineInput& in, const std::int32_t* row,
                                     std::uint32_t* bits) {
  int* const scratch = shared_array<int, kMineThreads / kWarpSize, struct MarkScratch>();
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  int found = 0;
  for (std::int64_t base = threadIdx.x - lane; base < in.size; base += kMineThreads) {
    const std::int64_t k = base + lane;
    const bool allowed = k < in.size && !excluded_key(row, in.entries + k * kKeyColumns, in.rule);
    const unsigned votes = __ballot_sync(kAllLanes, allowed);
    if (lane == 0) bits[base / kWarpSize] = votes;
    found += allowed ? 1 : 0;
  }
  return block_reduce<kMineThreads>(found, Add{}, 0, scratch);  // its barriers order the bits, too
}

template <bool kShared>
__global__ void __launch_bounds__(kMineThreads)
    mine_kernel(const __grid_constant__ MineInput in, std::uint32_t* allowed, std::int64_t room,
                std::uint64_t* scratch, std::int32_t* indices) {
  SelectMemory* const memory = shared_array<SelectMemory, 1, struct MineBins>();
  std::uint64_t* const list = entry_list<kShared>(scratch, room);
  const std::int64_t r = blockIdx.x;
  const std::int32_t* const row = in.places + r * kKeyColumns;
  const float* const scores = in.similarity + r * in.size;
  std::uint32_t* const bits = allowed + r * in.words;
  int found = 0;
  if (row[kKeyImage] >= 0) {
    const std::int64_t count = mark_allowed(in, row, bits);
    const auto passed = static_cast<std::int64_t>(in.rule.guard * static_cast<double>(count));
    const auto entry = [&](std::int64_t k) {
      const bool chosen = (bits[k / kWarpSize] >> (k % kWarpSize) & 1) != 0;
      return chosen ? entry_of(descending_key(scores[k]), k) : kNoEntry;
    };
    // Room for no more than wanted: exactly `passed` entries lie below the limit.
    const std::uint64_t guarded =
        select_limit<kMineThreads>(in.size, passed, passed, entry, *memory).limit;
    const auto rest = [&](std::int64_t k) {
      const std::uint64_t e = entry(k);
      return e < guarded ? kNoEntry : e;
    };
    found = smallest_entries<kMineThreads>(in.size, in.count, room, rest, list, *memory);
  }
  for (std::int64_t c = threadIdx.x; c < in.count; c += kMineThreads)
    indices[r * in.count + c] = c < found ? static_cast<std::int32_t>(place_of(list[c])) : -1;
}

struct StatisticsInput {
  const std::int32_t* places;
  const std::int32_t* entries;
  const std::int32_t* indices;
  const std::int32_t* now;
  std::int64_t rows, size, count;  // size: entries; count: columns of indices
  std::int64_t frame_gap;
};

// One block; a warp takes a row's indices up to its first -1.
__global__ void __launch_bounds__(kCountThreads)
    statistics_kernel(const __grid_constant__ StatisticsInput in, float* numbers) {
  std::int64_t* const scratch =
      shared_array<std::int64_t, kCountThreads / kWarpSize, struct CountScratch>();
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarpSize;
  std::int64_t mined = 0, wrong = 0, filled = 0, age = 0;
  for (std::int64_t r = thread / kWarpSize; r < in.rows; r += kCountThreads / kWarpSize) {
    const std::int32_t* const row = in.places + r * kKeyColumns;
    for (std::int64_t base = 0; base < in.count; base += kWarpSize) {
      const std::int64_t c = base + lane;
      const std::int32_t k = c < in.count ? in.indices[r * in.count + c] : -1;
      const unsigned ends = __ballot_sync(kAllLanes, k < 0);
      const bool counts = (ends & ((2u << lane) - 1)) == 0;  // no end at this lane or before it
      if (counts) {
        const std::int32_t* const entry = in.entries + std::int64_t{k} * kKeyColumns;
        ++mined;
        if (entry[kKeyStep] >= 0 &&
            (row[kKeyImage] == entry[kKeyImage] || neighbours_in_time(row, entry, in.frame_gap)))
          ++wrong;
      }
      if (ends != 0) break;
    }
  }
  for (std::int64_t k = thread; k < in.size; k += kCountThreads) {
    const std::int32_t step = in.entries[k * kKeyColumns + kKeyStep];
    if (step < 0) continue;
    ++filled;
    age += std::int64_t{in.now[0]} - step;
  }
  const auto sum = [&](std::int64_t value) {
    return block_reduce<kCountThreads>(value, Add{}, std::int64_t{0}, scratch);
  };
  mined = sum(mined);
  wrong = sum(wrong);
  filled = sum(filled);
  age = sum(age);
  if (thread != 0) return;
  numbers[kMinedNegatives] = static_cast<float>(mined);
  numbers[kMinedFalse] = static_cast<float>(wrong);
  numbers[kQueueFilled] = static_cast<float>(filled);
  numbers[kQueueAge] =
      filled == 0 ? 0.0f
                  : static_cast<float>(static_cast<double>(age) / static_cast<double>(filled));
}

struct EnqueueInput {
  const float* keys;
  const std::int32_t* places;
  const std::int32_t* cursor;
  std::int64_t rows, cols, size;  // size: entries of the queue
};

// Rows of [begin, end) that count. The whole block asks.
__device__ std::int64_t counted_rows(const EnqueueInput& in, std::int64_t begin, std::int64_t end,
                                     std::int64_t* scratch) {
  std::int64_t count = 0;
  for (std::int64_t r = begin + threadIdx.x; r < end; r += kThreads)
    count += in.places[r * kKeyColumns + kKeyImage] >= 0 ? 1 : 0;
  return block_reduce<kThreads>(count, Add{}, std::int64_t{0}, scratch);
}

__global__ void __launch_bounds__(kThreads)
    enqueue_kernel(const __grid_constant__ EnqueueInput in, float* queue, std::int32_t* entries) {
  std::int64_t* const scratch =
      shared_array<std::int64_t, kThreads / kWarpSize, struct EnqueueScratch>();
  const std::int64_t r = blockIdx.x, cursor = in.cursor[0];
  if (cursor < 0 || cursor >= in.size) {
    for (std::int64_t k = r; k < in.size; k += in.rows)
      for (std::int64_t d = threadIdx.x; d < in.cols; d += kThreads) queue[k * in.cols + d] = NAN;
    return;
  }
  if (in.places[r * kKeyColumns + kKeyImage] < 0) return;
  // A row that others will overwrite is not written at all.
  if (counted_rows(in, r + 1, in.rows, scratch) >= in.size) return;
  const std::int64_t at = (cursor + counted_rows(in, 0, r, scratch)) % in.size;
  for (std::int64_t d = threadIdx.x; d < in.cols; d += kThreads)
    queue[at * in.cols + d] = in.keys[r * in.cols + d];
  if (threadIdx.x < kKeyColumns)
    entries[at * kKeyColumns + threadIdx.x] = in.places[r * kKeyColumns + threadIdx.x];
}

__global__ void __launch_bounds__(kThreads)
    move_cursor_kernel(const __grid_constant__ EnqueueInput in, std::int32_t* cursor) {
  std::int64_t* const scratch =
      shared_array<std::int64_t, kThreads / kWarpSize, struct CursorScratch>();
  const std::int64_t count = counted_rows(in, 0, in.rows, scratch);
  if (threadIdx.x != 0) return;
  const std::int64_t at = cursor[0];
  if (at >= 0 && at < in.size) cursor[0] = static_cast<std::int32_t>((at + count) % in.size);
}

}  // namespace

void key_places(CudaStream stream, Rows<const std::int32_t> marks, Span<const std::int32_t> now,
                Rows<std::int32_t> places) {
  check_key_places(marks, now, places);
  if (places.empty()) return;
  launch("key_places", places_kernel, num_blocks(places.size(), kThreads), kThreads, stream,
         marks.data, now.data, places.size(), places.data);
}

void mine_negatives(CudaStream stream, Rows<const float> similarity,
                    Rows<const std::int32_t> places, Rows<const std::int32_t> entries,
                    Rows<std::int32_t> indices, Span<std::byte> scratch, const MiningRule& rule) {
  check_mine(similarity, places, entries, indices, rule);
  if (indices.empty()) return;
  Scratch carver(scratch);
  const MinePieces pieces(carver, places.rows, entries.rows, indices.cols);
  const MineInput in{similarity.data, places.data,  entries.data, entries.rows,
                     pieces.words,    indices.cols, rule};
  launch("mine_negatives", indices.cols <= kSharedEntries ? mine_kernel<true> : mine_kernel<false>,
         places.rows, kMineThreads, stream, in, pieces.allowed.data, entry_room(indices.cols),
         pieces.lists.data, indices.data);
}

void mining_statistics(CudaStream stream, Rows<const std::int32_t> places,
                       Rows<const std::int32_t> entries, Rows<const std::int32_t> indices,
                       Span<const std::int32_t> now, Span<float> numbers, std::int64_t frame_gap) {
  check_mining_statistics(places, entries, indices, now, numbers);
  launch("mining_statistics", statistics_kernel, 1, kCountThreads, stream,
         StatisticsInput{places.data, entries.data, indices.data, now.data, places.rows,
                         entries.rows, indices.cols, frame_gap},
         numbers.data);
}

void enqueue_keys(CudaStream stream, Rows<const float> keys, Rows<const std::int32_t> places,
                  Rows<float> queue, Rows<std::int32_t> entries, Span<std::int32_t> cursor) {
  check_enqueue(keys, places, queue, entries, cursor);
  if (keys.rows == 0) return;
  const EnqueueInput in{keys.data, places.data, cursor.data, keys.rows, keys.cols, queue.rows};
  launch("enqueue_keys", enqueue_kernel, keys.rows, kThreads, stream, in, queue.data, entries.data);
  launch("enqueue_keys", move_cursor_kernel, 1, kThreads, stream, in, cursor.data);
}

}  // namespace ktrain::cuda
