// How much two boxes overlap, as mmdetection's bbox_overlaps:
//   IoU(a, b) = |a and b| / max(|a or b|, 1e-6)     IoF(a, b) = |a and b| / max(|a|, 1e-6)
// Boxes without size overlap nothing. With a NaN corner the result means nothing, but is no error.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

enum class Overlap : std::uint8_t { kIou, kIof };

template <class T>
[[nodiscard]] KT_HOST_DEVICE inline T box_area(const T* box) {
  return (box[2] - box[0]) * (box[3] - box[1]);
}

// |a and b|. One formula with one rounding for all kernels: assign compares its results for
// equality.
template <class T>
[[nodiscard]] KT_HOST_DEVICE inline T intersection(T ax1, T ay1, T ax2, T ay2, T bx1, T by1, T bx2,
                                                   T by2) {
  const T left = ax1 > bx1 ? ax1 : bx1, right = ax2 < bx2 ? ax2 : bx2;
  const T top = ay1 > by1 ? ay1 : by1, bottom = ay2 < by2 ? ay2 : by2;
  const T width = right - left > T{0} ? right - left : T{0};
  const T height = bottom - top > T{0} ? bottom - top : T{0};
  return width * height;
}

template <class T>
[[nodiscard]] KT_HOST_DEVICE inline T ratio_of_areas(T part, T whole) {
  const T least = T(1e-6);
  return part / (whole > least ? whole : least);
}

template <class T>
[[nodiscard]] KT_HOST_DEVICE inline T box_overlap(const T* a, const T* b, Overlap kind) {
  const T common = intersection(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]);
  return ratio_of_areas(common,
                        kind == Overlap::kIou ? box_area(a) + box_area(b) - common : box_area(a));
}

namespace cpu {

// out[i, j] = overlap of a[i] and b[j]. a: rows x 4, b: cols x 4.
template <class T>
void overlap_matrix(Rows<const T> a, Rows<const T> b, Rows<T> out, Overlap kind);

// out[i] = overlap of a[i] and b[i].
template <class T>
void overlap_pairs(Rows<const T> a, Rows<const T> b, Span<T> out, Overlap kind);

}  // namespace cpu

namespace cuda {

void overlap_matrix(CudaStream stream, Rows<const float> a, Rows<const float> b, Rows<float> out,
                    Overlap kind);
void overlap_pairs(CudaStream stream, Rows<const float> a, Rows<const float> b, Span<float> out,
                   Overlap kind);

}  // namespace cuda
}  // namespace ktrain
