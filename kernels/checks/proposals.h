// What kernels/proposals.h refuses, on both devices.
#pragma once

#include <limits>

#include "kernels/check.h"
#include "kernels/proposals.h"

namespace ktrain {

template <class T>
void check_propose(const RpnOutput<T>& output, const ScoredBoxes<T>& out,
                   const ProposalRule& rule) {
  const std::int64_t images = output.logits.rows, anchors = output.logits.cols;
  KT_CHECK(output.deltas.rows == images * anchors && output.deltas.cols == 4 &&
               output.anchors.rows == anchors && output.anchors.cols == 4 &&
               num_anchors(output.levels) == anchors,
           "propose: logits is {}x{}, deltas {}x{}, anchors {}x{}, the levels have {}", images,
           anchors, output.deltas.rows, output.deltas.cols, output.anchors.rows,
           output.anchors.cols, num_anchors(output.levels));
  KT_CHECK(output.sizes.rows == images && output.sizes.cols == 2,
           "propose: sizes is {}x{}, {}x2 wanted", output.sizes.rows, output.sizes.cols, images);
  KT_CHECK(rule.per_level > 0 && rule.per_image > 0 && out.boxes.rows == images * rule.per_image &&
               out.boxes.cols == 4 && out.scores.rows == images &&
               out.scores.cols == rule.per_image && out.counts.size == images,
           "propose: {} images, {} of a level, {} of an image; boxes {}x{}, scores {}x{}, {} "
           "counts",
           images, rule.per_level, rule.per_image, out.boxes.rows, out.boxes.cols, out.scores.rows,
           out.scores.cols, out.counts.size);
  // Places in the lists are 32 bit.
  KT_CHECK(
      anchors <= std::numeric_limits<std::int32_t>::max() &&
          images * output.levels.size * rule.per_level <= std::numeric_limits<std::int32_t>::max(),
      "propose: {} images with {} levels of {} boxes are too many", images, output.levels.size,
      rule.per_level);
}

inline void check_image_of_rows(Span<const std::int32_t> counts, Span<std::int32_t> image) {
  KT_CHECK(image.empty() || (counts.size > 0 && image.size % counts.size == 0),
           "image_of_rows: {} rows of {} images", image.size, counts.size);
}

}  // namespace ktrain
