// What proposals and detections share: each image has several lists of boxes (levels, classes);
// suppression works within a list, the best survivors of all lists of an image are its answer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/nms.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/topk.h"
#include "kernels/view.h"

namespace ktrain::cpu {

struct ListSizes {
  std::int64_t images = 0;
  std::int64_t groups = 0;    // lists of an image; list = image * groups + group
  std::int64_t capacity = 0;  // boxes of a list
  std::int64_t most = 0;      // answers of an image
};

template <class T>
struct BestLists {
  ListSizes sizes;
  Span<T> boxes;              // lists x capacity x 4
  Span<T> scores;             // lists x capacity
  Span<std::int32_t> counts;  // lists
  Span<std::int32_t> kept;    // lists x kept_capacity
  Span<std::int32_t> kept_counts;
  Span<T> merged_scores;      // images x groups x kept_capacity
  Span<std::int32_t> merged;  // the same: place in boxes and scores
  Span<std::int32_t> best;    // images x most: place in merged
  Span<std::byte> nms_scratch;

  BestLists(Scratch& scratch, const ListSizes& list_sizes)
      : sizes(list_sizes),
        boxes(scratch.take<T>(lists() * sizes.capacity * 4)),
        scores(scratch.take<T>(lists() * sizes.capacity)),
        counts(scratch.take<std::int32_t>(lists())),
        kept(scratch.take<std::int32_t>(lists() * kept_capacity())),
        kept_counts(scratch.take<std::int32_t>(lists())),
        merged_scores(scratch.take<T>(lists() * kept_capacity())),
        merged(scratch.take<std::int32_t>(lists() * kept_capacity())),
        best(scratch.take<std::int32_t>(sizes.images * sizes.most)),
        nms_scratch(scratch.take<std::byte>(nms_scratch_bytes<T>(lists(), sizes.capacity))) {}

  [[nodiscard]] std::int64_t lists() const { return sizes.images * sizes.groups; }
  [[nodiscard]] std::int64_t kept_capacity() const { return std::min(sizes.capacity, sizes.most); }

  // Appends to a list while it is being filled.
  void append(std::int64_t list, const T* box, T score) const {
    const std::int64_t at = list * sizes.capacity + counts[list]++;
    std::copy_n(box, 4, boxes.data + at * 4);
    scores[at] = score;
  }

  // Calls answer(image, rank, place) for each image's best survivors, best first, and then
  // rest(image, count). `place` is an index of scores and, by fours, of boxes. Equal
  // scores: the lower group first, then the higher rank within the list.
  template <class Answer, class Rest>
  void select(T iou_threshold, Answer&& answer, Rest&& rest) const {
    nms(BoxList<const T>{boxes.data, counts.data, lists(), sizes.capacity},
        Rows<const T>{scores.data, lists(), sizes.capacity},
        Rows<std::int32_t>{kept.data, lists(), kept_capacity()}, kept_counts, nms_scratch,
        iou_threshold);
    parallel_for(sizes.images, 1, [&](std::int64_t n) {
      const std::int64_t first = n * sizes.groups * kept_capacity();
      std::int64_t total = 0;
      for (std::int64_t list = n * sizes.groups; list < (n + 1) * sizes.groups; ++list) {
        for (std::int64_t k = 0; k < kept_counts[list]; ++k, ++total) {
          const std::int64_t place = list * sizes.capacity + kept[list * kept_capacity() + k];
          merged[first + total] = static_cast<std::int32_t>(place);
          merged_scores[first + total] = scores[place];
        }
      }
      const Span<std::int32_t> top{best.data + n * sizes.most, std::min(total, sizes.most)};
      topk_row(Span<const T>{merged_scores.data + first, total}, top);
      for (std::int64_t rank = 0; rank < top.size; ++rank)
        answer(n, rank, std::int64_t{merged[first + top[rank]]});
      rest(n, top.size);
    });
  }
};

}  // namespace ktrain::cpu
