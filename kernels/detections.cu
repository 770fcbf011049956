// Four launches. A block per (image, class) sorts the RoIs above the threshold by their probability
// and decodes them in this order; nms_sorted suppresses within all lists at once (two launches); a
// block per image merges its lists. Lengths stay on the device.
#include "kernels/detections.h"

#include "kernels/checks/detections.h"
#include "kernels/checks/nms.h"
#include "kernels/device/best_lists.cuh"
#include "kernels/device/box_io.cuh"
#include "kernels/device/launch.cuh"
#include "kernels/device/select.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 1024;

struct Head {
  BoxList<const float> rois;
  const float* probabilities;
  const float* deltas;
  const std::int32_t* sizes;
  const float* scales;
  std::int64_t classes;
  float threshold;
};

struct Lists {
  float* boxes;
  float* scores;
  std::int32_t* counts;
  std::int64_t room;
};

// RoI i of image n as a box of class `label` in original pixels.
__device__ DeviceBox detection(const Head& head, const BoxCoding& coding, std::int64_t n,
                               std::int64_t i, std::int64_t label) {
  const std::int64_t row = n * head.rois.capacity + i;
  const DeviceBox roi = load_box(head.rois.data, row, false);
  const DeviceBox delta = load_box(head.deltas, row * head.classes + label, false);
  DeviceBox box;
  decode_box(roi.corner, delta.corner, coding, box.corner);
  clip_box(static_cast<float>(head.sizes[n * 2 + 1]), static_cast<float>(head.sizes[n * 2]),
           box.corner);
  const float inverse_x = 1.0f / head.scales[n * 2], inverse_y = 1.0f / head.scales[n * 2 + 1];
  box.corner[0] *= inverse_x;
  box.corner[1] *= inverse_y;
  box.corner[2] *= inverse_x;
  box.corner[3] *= inverse_y;
  return box;
}

template <bool kShared>
__global__ void __launch_bounds__(kThreads)
    list_kernel(const __grid_constant__ Head head, const __grid_constant__ BoxCoding coding,
                const __grid_constant__ Lists lists, std::uint64_t* scratch) {
  std::uint64_t* const list = entry_list<kShared>(scratch, lists.room);
  const std::int64_t n = blockIdx.x / head.classes, label = blockIdx.x % head.classes;
  const std::int64_t capacity = head.rois.capacity;
  const std::int64_t count = head.rois.counts ? head.rois.counts[n] : capacity;
  const float* const scores = head.probabilities + n * capacity * (head.classes + 1) + label;
  const auto score_of = [&](std::int64_t i) { return scores[i * (head.classes + 1)]; };
  const auto entry = [&](std::int64_t i) {
    const float score = score_of(i);
    return score > head.threshold ? entry_of(descending_key(score), i) : kNoEntry;
  };
  const int found = smallest_entries<kThreads>(count, capacity, lists.room, entry, list);
  for (int k = static_cast<int>(threadIdx.x); k < found; k += kThreads) {
    const std::int64_t i = place_of(list[k]), at = blockIdx.x * capacity + k;
    store_box(lists.boxes, at, detection(head, coding, n, i, label), true);
    lists.scores[at] = score_of(i);
  }
  if (threadIdx.x == 0) lists.counts[blockIdx.x] = found;
}

// An image's answer.
struct StoreDetections {
  const float* list_boxes;
  const float* list_scores;
  float* boxes;
  float* scores;
  std::int32_t* labels;
  std::int32_t* counts;
  std::int64_t per_image, capacity, classes;
  bool aligned;

  __device__ void store(std::int64_t n, std::int64_t rank, std::int64_t place) const {
    const std::int64_t row = n * per_image + rank;
    store_box(boxes, row, load_box(list_boxes, place, true), aligned);
    scores[row] = list_scores[place];
    labels[row] = static_cast<std::int32_t>(place / capacity % classes);
  }
  __device__ void fill(std::int64_t n, std::int64_t rank) const {
    const std::int64_t row = n * per_image + rank;
    store_box(boxes, row, DeviceBox{{0, 0, 0, 0}}, aligned);
    scores[row] = 0;
    labels[row] = -1;
  }
  __device__ void count(std::int64_t n, int found) const { counts[n] = found; }
};

}  // namespace

void detect(CudaStream stream, const RoiHeadOutput<float>& output,
            const Detections<float>& detections, Span<std::byte> scratch,
            const DetectionRule& rule) {
  check_detect(output, detections, rule);
  const std::int64_t images = output.rois.batch, classes = output.deltas.cols / 4;
  const std::int64_t capacity = output.rois.capacity;
  check_nms_capacity("detect", capacity);
  if (images == 0) return;
  Scratch carver(scratch);
  const ListPieces pieces(carver, {images, classes, capacity, rule.per_image});
  const Head head{output.rois,
                  output.probabilities.data,
                  output.deltas.data,
                  output.sizes.data,
                  output.scales.data,
                  classes,
                  static_cast<float>(rule.score_threshold)};
  const Lists lists{pieces.boxes.data, pieces.scores.data, pieces.counts.data,
                    entry_room(capacity)};
  if (classes > 0)
    launch("detect", capacity <= kSharedEntries ? list_kernel<true> : list_kernel<false>,
           images * classes, kThreads, stream, head, rule.coding, lists, pieces.list_entries.data);
  select_best(
      "detect", stream, pieces, static_cast<float>(rule.iou_threshold),
      StoreDetections{pieces.boxes.data, pieces.scores.data, detections.boxes.data,
                      detections.scores.data, detections.labels.data, detections.counts.data,
                      rule.per_image, capacity, classes, aligned_for_quads(detections.boxes.data)});
}

}  // namespace ktrain::cuda
