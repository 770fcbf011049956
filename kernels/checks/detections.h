// What kernels/detections.h refuses, on both devices.
#pragma once

#include <limits>

#include "kernels/check.h"
#include "kernels/detections.h"

namespace ktrain {

template <class T>
void check_detect(const RoiHeadOutput<T>& output, const Detections<T>& out,
                  const DetectionRule& rule) {
  const std::int64_t images = output.rois.batch, rows = images * output.rois.capacity;
  const std::int64_t classes = output.deltas.cols / 4;
  KT_CHECK(output.deltas.cols % 4 == 0 && output.probabilities.rows == rows &&
               output.probabilities.cols == classes + 1 && output.deltas.rows == rows,
           "detect: {} lists of {} RoIs, probabilities {}x{}, deltas {}x{}", images,
           output.rois.capacity, output.probabilities.rows, output.probabilities.cols,
           output.deltas.rows, output.deltas.cols);
  KT_CHECK(output.sizes.rows == images && output.sizes.cols == 2 && output.scales.rows == images &&
               output.scales.cols == 2,
           "detect: sizes is {}x{}, scales {}x{}, {}x2 wanted", output.sizes.rows,
           output.sizes.cols, output.scales.rows, output.scales.cols, images);
  KT_CHECK(rule.per_image > 0 && out.boxes.rows == images * rule.per_image && out.boxes.cols == 4 &&
               out.scores.rows == images && out.scores.cols == rule.per_image &&
               same_shape(out.scores, out.labels) && out.counts.size == images,
           "detect: {} images, {} of an image; boxes {}x{}, scores {}x{}, labels {}x{}, {} counts",
           images, rule.per_image, out.boxes.rows, out.boxes.cols, out.scores.rows, out.scores.cols,
           out.labels.rows, out.labels.cols, out.counts.size);
  // Places in the lists are 32 bit.
  KT_CHECK(rows * classes <= std::numeric_limits<std::int32_t>::max(),
           "detect: {} RoIs with {} classes are too many", rows, classes);
}

}  // namespace ktrain
