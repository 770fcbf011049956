// Three launches for all lists. A block per list sorts it by score, unless it is sorted already. A
// block per list and pair of 64 boxes x 64 later boxes, of which only those on or above the
// diagonal exist, writes for each box a word with a bit by later box that it would strike. Then a
// block per list walks over its words in order: one warp finds out which of 64 boxes stay, the
// block joins what they strike. Word w of all boxes lies together, so that both kernels touch whole
// lines.
#include "kernels/nms.h"

#include "kernels/checks/nms.h"
#include "kernels/device/box_io.cuh"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/select.cuh"
#include "kernels/iou.h"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

using Word = std::uint64_t;

constexpr int kWordBits = 64;
constexpr int kSortThreads = 1024;
constexpr int kScanThreads = 512;
constexpr int kScanWarps = kScanThreads / kWarpSize;

struct Lists {
  const std::int32_t* counts;  // or null: all real
  std::int64_t batch, capacity, words;

  [[nodiscard]] __device__ std::int64_t count(std::int64_t n) const {
    return counts ? counts[n] : capacity;
  }
};

// area(a and b) / area(a or b) > threshold, as the CPU rounds it, and nearly always without the
// division. With e = threshold * whole, rounded, c > e (1 + 2^-21) means c / whole > threshold (1 +
// 2^-23), which is at least the next float; c < e (1 - 2^-21) means c / whole < threshold, and
// rounding keeps the order. What is in between, or too small for these bounds, or not a number, is
// divided.
__device__ bool strikes(const DeviceBox& a, float area_a, const DeviceBox& b, float area_b,
                        float threshold) {
  const float common = intersection(a.corner[0], a.corner[1], a.corner[2], a.corner[3], b.corner[0],
                                    b.corner[1], b.corner[2], b.corner[3]);
  const float whole = area_a + area_b - common;
  const float edge = threshold * whole;
  if (whole > 0.0f && edge > 1e-30f) {
    if (common > edge * (1.0f + 0x1p-21f)) return true;
    if (common < edge * (1.0f - 0x1p-21f)) return false;
  }
  return common / whole > threshold;
}

template <bool kShared>
__global__ void __launch_bounds__(kSortThreads)
    sort_kernel(const __grid_constant__ Lists lists, const float* boxes, const float* scores,
                std::int64_t room, std::uint64_t* scratch, std::int32_t* order, float* sorted) {
  const std::int64_t n = blockIdx.x, first = n * lists.capacity;
  std::uint64_t* const list = entry_list<kShared>(scratch, room);
  const std::int64_t count = lists.count(n);
  const float* const score = scores + first;
  const int found = smallest_entries<kSortThreads>(
      count, count, room, [&](std::int64_t i) { return entry_of(descending_key(score[i]), i); },
      list);
  for (int i = static_cast<int>(threadIdx.x); i < found; i += kSortThreads) {
    const std::int64_t from = place_of(list[i]);
    order[first + i] = static_cast<std::int32_t>(from);
    store_box(sorted, first + i, load_box(boxes, first + from, false), true);
  }
}

// Two words of a triangle of `words` rows: row p has words - p of them, row words - 1 - p the
// p + 1 that make it words + 1 together.
__device__ bool pair_of_words(int index, int words, int& row, int& col) {
  const int p = index / (words + 1), c = index % (words + 1);
  const bool upper = c < words - p;
  row = upper ? p : words - 1 - p;
  col = upper ? p + c : c - 1;
  return upper || row != p;  // the middle row of an odd number meets itself
}

// mask[(n * words + w) * capacity + i]: the boxes of word w that box i strikes.
__global__ void __launch_bounds__(kWordBits)
    mask_kernel(const __grid_constant__ Lists lists, const float* boxes, bool aligned,
                float threshold, Word* mask) {
  DeviceBox* const others = shared_array<DeviceBox, kWordBits, struct MaskBoxes>();
  float* const areas = shared_array<float, kWordBits, struct MaskAreas>();
  const int words = static_cast<int>(lists.words), thread = static_cast<int>(threadIdx.x);
  const std::int64_t per_list = (lists.words + 1) / 2 * (lists.words + 1);
  const std::int64_t n = blockIdx.x / per_list;
  int row, col;
  if (!pair_of_words(static_cast<int>(blockIdx.x - n * per_list), words, row, col)) return;
  const int count = static_cast<int>(lists.count(n));
  if (col * kWordBits >= count) return;
  const float* const list = boxes + n * lists.capacity * 4;
  const int i = row * kWordBits + thread, first = col * kWordBits;
  const int here = min(kWordBits, count - first);
  if (thread < here) {
    others[thread] = load_box(list, first + thread, aligned);
    areas[thread] = box_area(others[thread].corner);
  }
  __syncthreads();
  if (i >= count) return;
  const DeviceBox box = load_box(list, i, aligned);
  const float area = box_area(box.corner);
  Word word = 0;
#pragma unroll 4
  for (int j = row == col ? thread + 1 : 0; j < here; ++j)
    if (strikes(box, area, others[j], areas[j], threshold)) word |= Word{1} << j;
  mask[(n * lists.words + col) * lists.capacity + i] = word;
}

struct Either {
  __device__ Word operator()(Word a, Word b) const { return a | b; }
};

__device__ int bits_of(Word word) {
  return __popc(static_cast<unsigned>(word)) + __popc(static_cast<unsigned>(word >> 32));
}

// Of the boxes `open`, in their order, those that no earlier one strikes. diagonal[i] has later
// boxes alone.
__device__ Word survivors(Word open, const Word* diagonal) {
#pragma unroll
  for (int i = 0; i < kWordBits; ++i) open &= (open >> i & 1) ? ~diagonal[i] : ~Word{0};
  return open;
}

struct Kept {
  std::int32_t* indices;  // lists x most
  std::int32_t* counts;
  std::int64_t most;
  const std::int32_t* order;  // or null: a box's rank is its index
};

__global__ void __launch_bounds__(kScanThreads)
    scan_kernel(const __grid_constant__ Lists lists, const Word* mask,
                const __grid_constant__ Kept kept) {
  Word* const struck = shared_array<Word, kNmsMaxWords, struct Struck>();
  Word* const diagonal = shared_array<Word, kWordBits, struct Diagonal>();
  Word* const stay = shared_array<Word, 1, struct Stay>();
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kWarpSize, warp = thread / kWarpSize;
  const std::int64_t n = blockIdx.x, capacity = lists.capacity;
  const int count = static_cast<int>(lists.count(n));
  const int words = (count + kWordBits - 1) / kWordBits;
  const Word* const list_mask = mask + n * lists.words * capacity;
  std::int32_t* const indices = kept.indices + n * kept.most;
  for (int w = thread; w < words; w += kScanThreads) struck[w] = 0;
  int found = 0;
  for (int b = 0; b < words && found < kept.most; ++b) {
    const int first = b * kWordBits, here = min(kWordBits, count - first);
    if (thread < kWordBits)
      diagonal[thread] = thread < here ? list_mask[b * capacity + first + thread] : 0;
    __syncthreads();
    if (warp == 0) {
      const Word real = here == kWordBits ? ~Word{0} : (Word{1} << here) - 1;
      const Word open = survivors(real & ~struck[b], diagonal);
      if (lane == 0) stay[0] = open;
    }
    __syncthreads();
    const Word staying = stay[0];
    if (thread < kWordBits && (staying >> thread & 1)) {
      const int at = found + bits_of(staying & ((Word{1} << thread) - 1));
      const int rank = first + thread;
      if (at < kept.most) indices[at] = kept.order ? kept.order[n * capacity + rank] : rank;
    }
    found += bits_of(staying);
    for (int w = b + 1 + warp; w < words; w += kScanWarps) {
      const Word* const column = list_mask + w * capacity + first;
      Word strikes = staying >> lane & 1 ? column[lane] : 0;
      if (staying >> (lane + kWarpSize) & 1) strikes |= column[lane + kWarpSize];
      strikes = warp_reduce(strikes, Either{});
      if (lane == 0) struck[w] |= strikes;
    }
    __syncthreads();
  }
  const int total = found < kept.most ? found : static_cast<int>(kept.most);
  if (thread == 0) kept.counts[n] = total;
  for (std::int64_t k = total + thread; k < kept.most; k += kScanThreads) indices[k] = -1;
}

void suppress(CudaStream stream, BoxList<const float> boxes, const std::int32_t* order,
              Rows<std::int32_t> kept, Span<std::int32_t> kept_counts, Scratch& scratch,
              float iou_threshold) {
  const auto mask = scratch.take<Word>(nms_mask_words(boxes.batch, boxes.capacity));
  const Lists lists{boxes.counts, boxes.batch, boxes.capacity,
                    num_blocks(boxes.capacity, kWordBits)};
  if (boxes.capacity > 0)
    launch("nms", mask_kernel, lists.batch * ((lists.words + 1) / 2 * (lists.words + 1)), kWordBits,
           stream, lists, boxes.data, aligned_for_quads(boxes.data), iou_threshold, mask.data);
  launch("nms", scan_kernel, lists.batch, kScanThreads, stream, lists, mask.data,
         Kept{kept.data, kept_counts.data, kept.cols, order});
}

void check_kept(BoxList<const float> boxes, Rows<std::int32_t> kept,
                Span<std::int32_t> kept_counts) {
  KT_CHECK(kept.rows == boxes.batch && kept_counts.size == boxes.batch,
           "nms: {} lists of {} boxes, kept {}x{}, {} counts", boxes.batch, boxes.capacity,
           kept.rows, kept.cols, kept_counts.size);
  check_nms_capacity("nms", boxes.capacity);
}

}  // namespace

void nms_sorted(CudaStream stream, BoxList<const float> boxes, Rows<std::int32_t> kept,
                Span<std::int32_t> kept_counts, Span<std::byte> scratch, float iou_threshold) {
  check_kept(boxes, kept, kept_counts);
  if (boxes.batch == 0) return;
  Scratch carver(scratch);
  suppress(stream, boxes, nullptr, kept, kept_counts, carver, iou_threshold);
}

void nms(CudaStream stream, BoxList<const float> boxes, Rows<const float> scores,
         Rows<std::int32_t> kept, Span<std::int32_t> kept_counts, Span<std::byte> scratch,
         float iou_threshold) {
  check_kept(boxes, kept, kept_counts);
  KT_CHECK(scores.rows == boxes.batch && scores.cols == boxes.capacity,
           "nms: {} lists of {} boxes, scores {}x{}", boxes.batch, boxes.capacity, scores.rows,
           scores.cols);
  if (boxes.batch == 0) return;
  Scratch carver(scratch);
  const NmsPieces pieces(carver, boxes.batch, boxes.capacity);
  const std::int64_t room = entry_room(boxes.capacity);
  const Lists lists{boxes.counts, boxes.batch, boxes.capacity, 0};
  launch("nms", boxes.capacity <= kSharedEntries ? sort_kernel<true> : sort_kernel<false>,
         boxes.batch, kSortThreads, stream, lists, boxes.data, scores.data, room,
         pieces.entries.data, pieces.order.data, pieces.boxes.data);
  suppress(stream, {pieces.boxes.data, boxes.counts, boxes.batch, boxes.capacity},
           pieces.order.data, kept, kept_counts, carver, iou_threshold);
}

}  // namespace ktrain::cuda
