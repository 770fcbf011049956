// Scratch of what proposals and detections share on CUDA: each image has several lists of boxes
// (levels, classes), sorted by score; suppression works within a list, the best survivors of all
// lists of an image are its answer. A host header: it compiles without the toolkit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/device/entry_room.h"
#include "kernels/nms.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain::cuda {

struct ListSizes {
  std::int64_t images = 0;
  std::int64_t groups = 0;    // lists of an image; list = image * groups + group
  std::int64_t capacity = 0;  // boxes of a list
  std::int64_t most = 0;      // answers of an image

  [[nodiscard]] std::int64_t lists() const { return images * groups; }
  [[nodiscard]] std::int64_t kept_capacity() const { return std::min(capacity, most); }
};

struct ListPieces {
  ListSizes sizes;
  Span<float> boxes;          // lists x capacity x 4
  Span<float> scores;         // lists x capacity
  Span<std::int32_t> counts;  // lists
  Span<std::int32_t> kept;    // lists x kept_capacity
  Span<std::int32_t> kept_counts;
  Span<std::uint64_t> list_entries;   // of the lists' own sort
  Span<std::uint64_t> image_entries;  // of the sort of an image's answers
  Span<std::byte> mask;               // of nms_sorted

  ListPieces(Scratch& scratch, const ListSizes& list_sizes)
      : sizes(list_sizes),
        boxes(scratch.take<float>(sizes.lists() * sizes.capacity * 4)),
        scores(scratch.take<float>(sizes.lists() * sizes.capacity)),
        counts(scratch.take<std::int32_t>(sizes.lists())),
        kept(scratch.take<std::int32_t>(sizes.lists() * sizes.kept_capacity())),
        kept_counts(scratch.take<std::int32_t>(sizes.lists())),
        list_entries(scratch.take<std::uint64_t>(entry_scratch(sizes.lists(), sizes.capacity))),
        image_entries(scratch.take<std::uint64_t>(entry_scratch(sizes.images, sizes.most))),
        mask(scratch.take<std::byte>(nms_sorted_scratch_bytes(sizes.lists(), sizes.capacity))) {}
};

}  // namespace ktrain::cuda
