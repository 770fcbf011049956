// Greedy non-maximum suppression of many independent lists. In the order of score (ties: the lower
// index first) a box is kept unless its IoU with a kept one is above the threshold:
//   IoU(a, b) = |a and b| / (|a| + |b| - |a and b|) > threshold, strictly
// A list is one (image, level) or (image, class): boxes of different lists never meet, which is
// what mmdetection's batched_nms achieves by moving classes apart. A 0/0 IoU suppresses nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/entry_room.h"
#include "kernels/queue.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

// boxes: one list per batch entry; a null boxes.counts means that all are real. scores: batch x
// capacity. kept: batch x the most to keep, indices into the list, best first, then -1.
// kept_counts: batch. The search of a list ends when `kept` is full. Throws Error on other shapes.
template <class T>
void nms(BoxList<const T> boxes, Rows<const T> scores, Rows<std::int32_t> kept,
         Span<std::int32_t> kept_counts, Span<std::byte> scratch, T iou_threshold);

template <class T>
[[nodiscard]] std::int64_t nms_scratch_bytes(std::int64_t batch, std::int64_t capacity);

}  // namespace cpu

namespace cuda {

// Lists have 64 * kNmsMaxWords boxes at most.
inline constexpr int kNmsMaxWords = 1024;

void nms(CudaStream stream, BoxList<const float> boxes, Rows<const float> scores,
         Rows<std::int32_t> kept, Span<std::int32_t> kept_counts, Span<std::byte> scratch,
         float iou_threshold);

// A bit for each pair of boxes of a list, in words of 64.
[[nodiscard]] constexpr std::int64_t nms_mask_words(std::int64_t batch, std::int64_t capacity) {
  return batch * capacity * ((capacity + 63) / 64);
}
// What nms keeps in scratch before the mask.
struct NmsPieces {
  Span<float> boxes;
  Span<std::int32_t> order;
  Span<std::uint64_t> entries;

  NmsPieces(Scratch& scratch, std::int64_t batch, std::int64_t capacity)
      : boxes(scratch.take<float>(batch * capacity * 4)),
        order(scratch.take<std::int32_t>(batch * capacity)),
        entries(scratch.take<std::uint64_t>(entry_scratch(batch, capacity))) {}
};
[[nodiscard]] inline std::int64_t nms_scratch_bytes(std::int64_t batch, std::int64_t capacity) {
  Scratch scratch;
  (void)NmsPieces(scratch, batch, capacity);
  (void)scratch.take<std::uint64_t>(nms_mask_words(batch, capacity));
  return scratch.bytes();
}

// The same for lists that are sorted by score already, best first.
void nms_sorted(CudaStream stream, BoxList<const float> boxes, Rows<std::int32_t> kept,
                Span<std::int32_t> kept_counts, Span<std::byte> scratch, float iou_threshold);

[[nodiscard]] constexpr std::int64_t nms_sorted_scratch_bytes(std::int64_t batch,
                                                              std::int64_t capacity) {
  return (nms_mask_words(batch, capacity) * 8 + 63) / 64 * 64;
}

}  // namespace cuda
}  // namespace ktrain
