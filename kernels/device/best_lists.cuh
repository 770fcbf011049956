// From an image's sorted lists to its answers: suppression within each list, then the best of all.
// See list_pieces.h.
#pragma once

#include "kernels/device/launch.cuh"
#include "kernels/device/list_pieces.h"
#include "kernels/device/select.cuh"

namespace ktrain::cuda {

constexpr int kMergeThreads = 512;  // 1024 would leave it too few registers

struct MergeInput {
  const float* scores;
  const std::int32_t* kept;
  const std::int32_t* kept_counts;
  int groups, kept_capacity;
  std::int64_t capacity, most;
};

// A block per image. answer.store(image, rank, place) gets the place in scores and, by fours, in
// boxes; answer.fill(image, rank) the ranks that nobody has; answer.count(image, count).
template <bool kShared, class Answer>
__global__ void __launch_bounds__(kMergeThreads)
    merge_kernel(const __grid_constant__ MergeInput in, std::int64_t room, std::uint64_t* scratch,
                 const __grid_constant__ Answer answer) {
  const std::int64_t n = blockIdx.x;
  std::uint64_t* const list = entry_list<kShared>(scratch, room);
  const auto scored_at = [&](std::int64_t p) {
    const int group = static_cast<int>(p) / in.kept_capacity;
    const std::int64_t group_list = n * in.groups + group;
    return group_list * in.capacity +
           in.kept[group_list * in.kept_capacity + static_cast<int>(p) % in.kept_capacity];
  };
  const auto entry = [&](std::int64_t p) {
    const int group = static_cast<int>(p) / in.kept_capacity;
    const int k = static_cast<int>(p) % in.kept_capacity;
    if (k >= in.kept_counts[n * in.groups + group]) return kNoEntry;
    return entry_of(descending_key(in.scores[scored_at(p)]), p);
  };
  const int found = smallest_entries<kMergeThreads>(std::int64_t{in.groups} * in.kept_capacity,
                                                    in.most, room, entry, list);
  for (std::int64_t rank = threadIdx.x; rank < in.most; rank += kMergeThreads) {
    if (rank < found)
      answer.store(n, rank, scored_at(place_of(list[rank])));
    else
      answer.fill(n, rank);
  }
  if (threadIdx.x == 0) answer.count(n, found);
}

template <class Answer>
void select_best(const char* who, CudaStream stream, const ListPieces& pieces, float iou_threshold,
                 const Answer& answer) {
  const ListSizes& sizes = pieces.sizes;
  if (sizes.images == 0) return;
  if (sizes.lists() > 0)
    nms_sorted(stream, {pieces.boxes.data, pieces.counts.data, sizes.lists(), sizes.capacity},
               {pieces.kept.data, sizes.lists(), sizes.kept_capacity()}, pieces.kept_counts,
               pieces.mask, iou_threshold);
  const MergeInput in{pieces.scores.data,
                      pieces.kept.data,
                      pieces.kept_counts.data,
                      static_cast<int>(sizes.groups),
                      static_cast<int>(sizes.kept_capacity()),
                      sizes.capacity,
                      sizes.most};
  launch(who,
         sizes.most <= kSharedEntries ? merge_kernel<true, Answer> : merge_kernel<false, Answer>,
         sizes.images, kMergeThreads, stream, in, entry_room(sizes.most), pieces.image_entries.data,
         answer);
}

}  // namespace ktrain::cuda
