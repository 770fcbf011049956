// From the RoI head's output to an image's detections, for a batch at once:
//   of each class the RoIs with probability > score_threshold -> decode the class's own box -> clip
//   to the image -> divide by the scale the image was resized by -> suppression within the class ->
//   the `per_image` best of all classes
// The last column of the probabilities is the background, which is no class. Equal probabilities:
// the lower class first, then the lower RoI.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/box_codec.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

struct DetectionRule {
  double score_threshold = 0.05;
  double iou_threshold = 0.5;
  std::int64_t per_image = 100;
  BoxCoding coding = kRoiCoding;
};

template <class T>
struct RoiHeadOutput {
  BoxList<const T> rois;           // one list per image
  Rows<const T> probabilities;     // (images * rois.capacity) x (classes + 1)
  Rows<const T> deltas;            // (images * rois.capacity) x (4 * classes)
  Rows<const std::int32_t> sizes;  // images x (height, width): where boxes are clipped
  Rows<const T> scales;            // images x (x, y): new side / original side
};

// `per_image` rows an image, best first, then zeros with label -1. Boxes in original pixels.
template <class T>
struct Detections {
  Rows<T> boxes;              // (images * per_image) x 4
  Rows<T> scores;             // images x per_image
  Rows<std::int32_t> labels;  // images x per_image
  Span<std::int32_t> counts;  // images
};

namespace cpu {

// Throws Error when shapes disagree with each other or the rule.
template <class T>
void detect(const RoiHeadOutput<T>& output, const Detections<T>& detections,
            Span<std::byte> scratch, const DetectionRule& rule);

template <class T>
[[nodiscard]] std::int64_t detect_scratch_bytes(std::int64_t images, std::int64_t classes,
                                                std::int64_t rois, const DetectionRule& rule);

}  // namespace cpu

namespace cuda {

void detect(CudaStream stream, const RoiHeadOutput<float>& output,
            const Detections<float>& detections, Span<std::byte> scratch,
            const DetectionRule& rule);

[[nodiscard]] std::int64_t detect_scratch_bytes(std::int64_t images, std::int64_t classes,
                                                std::int64_t rois, const DetectionRule& rule);

}  // namespace cuda
}  // namespace ktrain
