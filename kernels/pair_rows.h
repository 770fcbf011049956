// Which regions of a step are compared across modalities, and which of them may be called
// different.
//
//   positive_rows    of each image the first `per_image` of its sampled regions that are positives
//                    (sample_rois puts them first), in a table of fixed size; other rows are zeros
//                    with image and marks -1
//   whole_image_rows one row per image, the image itself; none for an empty slot
//   exclusions       out[i,j] = 1 where j is no negative of i: one of them is no row, or both are
//                      of one image of the batch, with IoU >= limit or the same target;
//                      of two images that are one place in the list (a pair drawn twice);
//                      of two images of one group whose frames are at most `neighbours` apart
//                    out[i,i] = 1; symmetric
//   of_images        out[i] = per_image[image[i]]; 0 where there is no row
// Wrong shapes throw Error, and so does an image index that there is not, on the CPU; on CUDA that
// row of of_images is NaN.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// Columns of `marks`, and of `identity` as far as that has them.
enum MarkColumn : std::uint8_t { kMarkPlace, kMarkGroup, kMarkFrame, kMarkTarget, kMarkColumns };
inline constexpr std::int64_t kIdentityColumns = 3;

// What sample_rois wrote, R = images * size rows.
template <class T>
struct SampledRegions {
  Rows<const T> rois;
  Span<const std::int32_t> labels;  // num_classes for a negative, -1 for padding
  Span<const std::int32_t> targets;
};

template <class T>
struct PairRowViews {
  Rows<T> rois;              // N x 4
  Span<std::int32_t> image;  // N: which image of the batch, -1: no row
  Rows<std::int32_t> marks;  // N x kMarkColumns: place, group, frame, target; -1 unknown or no row
  Span<T> valid;             // N: 1 a row, 0 none
  Span<std::int32_t> count;  // one element
};

struct ExclusionRule {
  double negative_iou = 0.3;
  std::int64_t neighbours = 0;  // frames
};

namespace cpu {

// identity: images x kIdentityColumns. out has images * per_image rows.
template <class T>
void positive_rows(const SampledRegions<T>& regions, Rows<const std::int32_t> identity,
                   const PairRowViews<T>& out, std::int32_t num_classes);
// sizes: images x (height, width). out has a row per image.
template <class T>
void whole_image_rows(Rows<const std::int32_t> sizes, Rows<const std::int32_t> identity,
                      const PairRowViews<T>& out);
template <class T>
void exclusions(Rows<const T> rois, Span<const std::int32_t> image, Rows<const std::int32_t> marks,
                Rows<std::uint8_t> out, const ExclusionRule& rule);
template <class T>
void of_images(Span<const T> per_image, Span<const std::int32_t> image, Span<T> out);

}  // namespace cpu

namespace cuda {

void positive_rows(CudaStream stream, const SampledRegions<float>& regions,
                   Rows<const std::int32_t> identity, const PairRowViews<float>& out,
                   std::int32_t num_classes);
void whole_image_rows(CudaStream stream, Rows<const std::int32_t> sizes,
                      Rows<const std::int32_t> identity, const PairRowViews<float>& out);
void exclusions(CudaStream stream, Rows<const float> rois, Span<const std::int32_t> image,
                Rows<const std::int32_t> marks, Rows<std::uint8_t> out, const ExclusionRule& rule);
void of_images(CudaStream stream, Span<const float> per_image, Span<const std::int32_t> image,
               Span<float> out);

}  // namespace cuda
}  // namespace ktrain
