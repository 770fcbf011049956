// Four launches. A block per (image, level) finds the level's best anchors by their logits
// (kernels/device/select.cuh: only they are sorted, only their deltas are read), decodes and clips
// them and lists those that have a size, in their order. nms_sorted suppresses within all lists at
// once (two launches). A block per image merges its lists. Lengths stay on the device.
#include "kernels/proposals.h"

#include "kernels/box_codec.h"
#include "kernels/checks/nms.h"
#include "kernels/checks/proposals.h"
#include "kernels/device/best_lists.cuh"
#include "kernels/device/box_io.cuh"
#include "kernels/device/launch.cuh"
#include "kernels/device/select.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 1024;
constexpr int kPlainThreads = 256;

struct LevelSizes {
  std::int64_t levels;
  std::int64_t first[kMaxCudaLevels + 1];  // anchor of each level
};

struct Rpn {
  const float* logits;
  const float* deltas;
  const float* anchors;
  const std::int32_t* sizes;
  std::int64_t num_anchors;
  bool aligned;  // deltas and anchors
};

struct Lists {
  float* boxes;
  float* scores;
  std::int32_t* counts;
  std::int64_t capacity, room;
};

// Anchor `index` of all, of image n, decoded and clipped.
__device__ DeviceBox proposal(const Rpn& rpn, std::int64_t n, std::int64_t index) {
  const DeviceBox anchor = load_box(rpn.anchors, index, rpn.aligned);
  const DeviceBox delta = load_box(rpn.deltas, n * rpn.num_anchors + index, rpn.aligned);
  DeviceBox box;
  decode_box(anchor.corner, delta.corner, BoxCoding{}, box.corner);
  clip_box(static_cast<float>(rpn.sizes[n * 2 + 1]), static_cast<float>(rpn.sizes[n * 2]),
           box.corner);
  return box;
}

template <bool kShared>
__global__ void __launch_bounds__(kThreads)
    list_kernel(const __grid_constant__ Rpn rpn, const __grid_constant__ LevelSizes levels,
                const __grid_constant__ Lists lists, std::uint64_t* scratch) {
  std::uint64_t* const list = entry_list<kShared>(scratch, lists.room);
  int* const warp_counts = shared_array<int, kThreads / kWarpSize, struct ListCounts>();
  const std::int64_t n = blockIdx.x / levels.levels, level = blockIdx.x % levels.levels;
  const std::int64_t first = levels.first[level];
  const float* const logits = rpn.logits + n * rpn.num_anchors + first;
  const int found = smallest_entries<kThreads>(
      levels.first[level + 1] - first, lists.capacity, lists.room,
      [&](std::int64_t i) { return entry_of(descending_key(logits[i]), i); }, list);

  Placer<kThreads> placer{warp_counts};
  for (int base = 0; base < found; base += kThreads) {
    const int k = base + static_cast<int>(threadIdx.x);
    DeviceBox box{{0, 0, 0, 0}};
    std::int64_t anchor = 0;
    if (k < found) {
      anchor = place_of(list[k]);
      box = proposal(rpn, n, first + anchor);
    }
    const bool sized = box.corner[2] - box.corner[0] > 0.0f && box.corner[3] - box.corner[1] > 0.0f;
    const int rank = placer.place(k < found && sized);
    if (rank < 0) continue;
    const std::int64_t at = blockIdx.x * lists.capacity + rank;
    store_box(lists.boxes, at, box, true);
    lists.scores[at] = logits[anchor];
  }
  if (threadIdx.x == 0) lists.counts[blockIdx.x] = placer.placed;
}

// An image's answer.
struct StoreProposals {
  const float* list_boxes;
  const float* list_scores;
  float* boxes;
  float* scores;
  std::int32_t* counts;
  std::int64_t per_image;
  bool aligned;

  __device__ void store(std::int64_t n, std::int64_t rank, std::int64_t place) const {
    const std::int64_t row = n * per_image + rank;
    store_box(boxes, row, load_box(list_boxes, place, true), aligned);
    scores[row] = 1.0f / (1.0f + expf(-list_scores[place]));
  }
  __device__ void fill(std::int64_t n, std::int64_t rank) const {
    store_box(boxes, n * per_image + rank, DeviceBox{{0, 0, 0, 0}}, aligned);
    scores[n * per_image + rank] = 0;
  }
  __device__ void count(std::int64_t n, int found) const { counts[n] = found; }
};

__global__ void __launch_bounds__(kPlainThreads)
    image_kernel(const std::int32_t* counts, std::int64_t rows, std::int64_t capacity,
                 std::int32_t* image) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kPlainThreads + threadIdx.x;
  if (i >= rows) return;
  const std::int64_t n = i / capacity;
  image[i] = i - n * capacity < counts[n] ? static_cast<std::int32_t>(n) : -1;
}

}  // namespace

void propose(CudaStream stream, const RpnOutput<float>& output, const ScoredBoxes<float>& proposals,
             Span<std::byte> scratch, const ProposalRule& rule) {
  check_propose(output, proposals, rule);
  const std::int64_t images = output.logits.rows, levels = output.levels.size;
  KT_CHECK(levels <= kMaxCudaLevels, "propose: {} levels, at most {} on CUDA", levels,
           kMaxCudaLevels);
  check_nms_capacity("propose", rule.per_level);
  if (images == 0) return;
  Scratch carver(scratch);
  const ListPieces pieces(carver, {images, levels, rule.per_level, rule.per_image});
  const Rpn rpn{output.logits.data,
                output.deltas.data,
                output.anchors.data,
                output.sizes.data,
                output.logits.cols,
                aligned_for_quads(output.deltas.data) && aligned_for_quads(output.anchors.data)};
  LevelSizes sizes{levels, {}};
  for (std::int64_t l = 0; l < levels; ++l)
    sizes.first[l + 1] = sizes.first[l] + output.levels[l].num_anchors();
  const Lists lists{pieces.boxes.data, pieces.scores.data, pieces.counts.data, rule.per_level,
                    entry_room(rule.per_level)};
  if (levels > 0)
    launch("propose", rule.per_level <= kSharedEntries ? list_kernel<true> : list_kernel<false>,
           images * levels, kThreads, stream, rpn, sizes, lists, pieces.list_entries.data);
  select_best("propose", stream, pieces, static_cast<float>(rule.iou_threshold),
              StoreProposals{pieces.boxes.data, pieces.scores.data, proposals.boxes.data,
                             proposals.scores.data, proposals.counts.data, rule.per_image,
                             aligned_for_quads(proposals.boxes.data)});
}

void image_of_rows(CudaStream stream, Span<const std::int32_t> counts, Span<std::int32_t> image) {
  check_image_of_rows(counts, image);
  if (image.empty()) return;
  launch("image_of_rows", image_kernel, num_blocks(image.size, kPlainThreads), kPlainThreads,
         stream, counts.data, image.size, image.size / counts.size, image.data);
}

}  // namespace ktrain::cuda
