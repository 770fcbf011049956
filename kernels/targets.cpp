#include "kernels/targets.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 8192;

}  // namespace

template <class T>
void anchor_targets(Rows<const T> anchors, BoxList<const T> targets, Rows<const std::int32_t> match,
                    Rows<const std::int32_t> labels, Rows<T> deltas, Span<std::int32_t> slots) {
  KT_CHECK(anchors.cols == 4 && same_shape(match, labels) && match.cols == anchors.rows,
           "anchor_targets: anchors is {}x{}, match {}x{}, labels {}x{}", anchors.rows,
           anchors.cols, match.rows, match.cols, labels.rows, labels.cols);
  KT_CHECK(deltas.rows == match.size() && deltas.cols == 4 && slots.size == match.size(),
           "anchor_targets: deltas is {}x{}, {} slots, {} rows wanted", deltas.rows, deltas.cols,
           slots.size, match.size());
  parallel_for(match.size(), kGrain, [&](std::int64_t i) {
    const bool positive = labels.data[i] == 1;
    T* const delta = deltas.data + i * 4;
    slots[i] = positive ? 0 : -1;
    if (positive)
      encode_box(anchors.data + i % anchors.rows * 4, targets.box(i / anchors.rows, match.data[i]),
                 BoxCoding{}, delta);
    else
      std::fill(delta, delta + 4, T{0});
  });
}

template <class T>
void roi_targets(const RoiMatches<T>& matches, BoxList<const T> targets, Rows<T> deltas,
                 Span<std::int32_t> slots, const BoxCoding& coding) {
  const std::int64_t rows = matches.rois.rows;
  KT_CHECK(matches.rois.cols == 4 && matches.labels.size == rows && matches.targets.size == rows &&
               matches.image.size == rows && same_shape(deltas, matches.rois) && slots.size == rows,
           "roi_targets: rois is {}x{}, {} labels, {} targets, {} images, deltas {}x{}, {} slots",
           rows, matches.rois.cols, matches.labels.size, matches.targets.size, matches.image.size,
           deltas.rows, deltas.cols, slots.size);
  parallel_for(rows, kGrain, [&](std::int64_t r) {
    const bool positive = matches.targets[r] >= 0;
    T* const delta = deltas.data + r * 4;
    slots[r] = positive ? matches.labels[r] : -1;
    if (positive)
      encode_box(matches.rois.data + r * 4, targets.box(matches.image[r], matches.targets[r]),
                 coding, delta);
    else
      std::fill(delta, delta + 4, T{0});
  });
}

template void anchor_targets(Rows<const float>, BoxList<const float>, Rows<const std::int32_t>,
                             Rows<const std::int32_t>, Rows<float>, Span<std::int32_t>);
template void anchor_targets(Rows<const double>, BoxList<const double>, Rows<const std::int32_t>,
                             Rows<const std::int32_t>, Rows<double>, Span<std::int32_t>);
template void roi_targets(const RoiMatches<float>&, BoxList<const float>, Rows<float>,
                          Span<std::int32_t>, const BoxCoding&);
template void roi_targets(const RoiMatches<double>&, BoxList<const double>, Rows<double>,
                          Span<std::int32_t>, const BoxCoding&);

}  // namespace ktrain::cpu
