#include "kernels/detections.h"

#include <algorithm>
#include <limits>

#include "kernels/checks/detections.h"
#include "kernels/cpu/best_lists.h"
#include "kernels/device/list_pieces.h"

namespace ktrain {

std::int64_t cuda::detect_scratch_bytes(std::int64_t images, std::int64_t classes,
                                        std::int64_t rois, const DetectionRule& rule) {
  Scratch scratch;
  (void)ListPieces(scratch, {images, classes, rois, rule.per_image});
  return scratch.bytes();
}

namespace cpu {
namespace {

// The boxes of one class of one image.
template <class T>
void fill_list(const RoiHeadOutput<T>& output, const BestLists<T>& lists, std::int64_t n,
               std::int64_t label, const DetectionRule& rule) {
  const BoxList<const T> rois = output.rois;
  const std::int64_t list = n * lists.sizes.groups + label;
  const std::int64_t count = rois.counts ? rois.counts[n] : rois.capacity;
  const T height = static_cast<T>(output.sizes(n, 0)), width = static_cast<T>(output.sizes(n, 1));
  const T inverse[2] = {T{1} / output.scales(n, 0), T{1} / output.scales(n, 1)};
  const T threshold = static_cast<T>(rule.score_threshold);
  lists.counts[list] = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = n * rois.capacity + i;
    const T score = output.probabilities(row, label);
    if (!(score > threshold)) continue;
    T box[4];
    decode_box(rois.box(n, i), &output.deltas(row, 4 * label), rule.coding, box);
    clip_box(width, height, box);
    for (int c = 0; c < 4; ++c) box[c] *= inverse[c % 2];
    lists.append(list, box, score);
  }
}

}  // namespace

template <class T>
std::int64_t detect_scratch_bytes(std::int64_t images, std::int64_t classes, std::int64_t rois,
                                  const DetectionRule& rule) {
  Scratch scratch;
  (void)BestLists<T>(scratch, {images, classes, rois, rule.per_image});
  return scratch.bytes();
}

template <class T>
void detect(const RoiHeadOutput<T>& output, const Detections<T>& detections,
            Span<std::byte> scratch, const DetectionRule& rule) {
  check_detect(output, detections, rule);
  const std::int64_t images = output.rois.batch, classes = output.deltas.cols / 4;
  Scratch carver(scratch);
  const BestLists<T> lists(carver, {images, classes, output.rois.capacity, rule.per_image});
  parallel_for(images * classes, 1, [&](std::int64_t list) {
    fill_list(output, lists, list / classes, list % classes, rule);
  });
  lists.select(
      static_cast<T>(rule.iou_threshold),
      [&](std::int64_t n, std::int64_t rank, std::int64_t place) {
        std::copy_n(lists.boxes.data + place * 4, 4,
                    detections.boxes.data + (n * rule.per_image + rank) * 4);
        detections.scores(n, rank) = lists.scores[place];
        detections.labels(n, rank) =
            static_cast<std::int32_t>(place / output.rois.capacity % classes);
      },
      [&](std::int64_t n, std::int64_t count) {
        detections.counts[n] = static_cast<std::int32_t>(count);
        const std::int64_t begin = n * rule.per_image + count, end = (n + 1) * rule.per_image;
        std::fill(detections.boxes.data + begin * 4, detections.boxes.data + end * 4, T{0});
        std::fill(detections.scores.data + begin, detections.scores.data + end, T{0});
        std::fill(detections.labels.data + begin, detections.labels.data + end, -1);
      });
}

template std::int64_t detect_scratch_bytes<float>(std::int64_t, std::int64_t, std::int64_t,
                                                  const DetectionRule&);
template std::int64_t detect_scratch_bytes<double>(std::int64_t, std::int64_t, std::int64_t,
                                                   const DetectionRule&);
template void detect(const RoiHeadOutput<float>&, const Detections<float>&, Span<std::byte>,
                     const DetectionRule&);
template void detect(const RoiHeadOutput<double>&, const Detections<double>&, Span<std::byte>,
                     const DetectionRule&);

}  // namespace cpu
}  // namespace ktrain
