// What the box branches are trained towards: the matched target of each chosen positive, encoded
// against its anchor or RoI (kernels/box_codec.h). Rows that are no chosen positive get zeros and
// slot -1. `slots` says for box_loss which group of 4 columns of the prediction a row trains.
#pragma once

#include <cstdint>

#include "kernels/box_codec.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// What sample_rois wrote: rois, labels, which target, which image.
template <class T>
struct RoiMatches {
  Rows<const T> rois;
  Span<const std::int32_t> labels;
  Span<const std::int32_t> targets;
  Span<const std::int32_t> image;
};

namespace cpu {

// match, labels: images x anchors, by assign and sample_anchors. deltas: (images * anchors) x 4.
// slots: images * anchors; 0 where labels is 1. Throws Error on other shapes.
template <class T>
void anchor_targets(Rows<const T> anchors, BoxList<const T> targets, Rows<const std::int32_t> match,
                    Rows<const std::int32_t> labels, Rows<T> deltas, Span<std::int32_t> slots);

// deltas: rois x 4, in units of `coding`. slots: rois; the label of a positive.
template <class T>
void roi_targets(const RoiMatches<T>& matches, BoxList<const T> targets, Rows<T> deltas,
                 Span<std::int32_t> slots, const BoxCoding& coding);

}  // namespace cpu

namespace cuda {

void anchor_targets(CudaStream stream, Rows<const float> anchors, BoxList<const float> targets,
                    Rows<const std::int32_t> match, Rows<const std::int32_t> labels,
                    Rows<float> deltas, Span<std::int32_t> slots);
void roi_targets(CudaStream stream, const RoiMatches<float>& matches, BoxList<const float> targets,
                 Rows<float> deltas, Span<std::int32_t> slots, const BoxCoding& coding);

}  // namespace cuda
}  // namespace ktrain
