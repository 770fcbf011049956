// RoIAlign over a pyramid: each region is read from the level that suits its size (Lin et al.
// 2017), with aligned corners and adaptive sampling, as mmcv and torchvision do with aligned = true
// and sampling_ratio = 0.
//   level      = clamp(floor(log2(sqrt(w * h) / 56 + 1e-6)), 0, 3), w x h the region in image
//   pixels region     = the corners of rois[r] / stride - 0.5, strides 4, 8, 16, 32 samples    =
//   ceil(region / bins) by axis, at most kRoiMaxSamples, evenly spaced in each bin out[r,i,j] =
//   mean over the samples of bin (i, j) of the bilinear interpolation of the level.
//                A sample more than one cell outside the level counts as 0, one nearer is moved to
//                the edge.
// rois[r] is x1, y1, x2, y2 in image pixels; image[r] says which image of the batch it belongs to,
// -1 for a padded row, whose output is 0 and whose gradient goes nowhere. The number of bins is
// out's height and width. A region that is empty or inside out has no samples: its output is 0. One
// with a corner that is not finite gives NaN, and no gradient: a broken box shows in the loss. The
// backward overwrites every dlevel. Its sums are taken in the order of r, whatever the number of
// threads. Regions get no gradient. Levels, rois and out must not overlap. Wrong shapes throw
// Error, and so does, on the CPU, an image index outside -1 .. batch-1; on CUDA that row's output
// is NaN and it gets no gradient. Of maps of Bfloat16 sums are in float and rounded once.
#pragma once

#include <array>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

constexpr int kRoiLevels = 4;
constexpr int kRoiMaxSamples = 128;
constexpr int kRoiMaxBins = 16;

// The levels of one pyramid, strides 4, 8, 16 and 32.
template <class T>
using RoiLevels = std::array<Nhwc<T>, kRoiLevels>;

namespace cpu {

template <class T>
void roi_align_forward(const RoiLevels<const T>& levels, Rows<const Wide<T>> rois,
                       Span<const std::int32_t> image, Nhwc<T> out);
template <class T>
void roi_align_backward(Rows<const Wide<T>> rois, Span<const std::int32_t> image,
                        Nhwc<const T> dout, const RoiLevels<T>& dlevels);

}  // namespace cpu

namespace cuda {

template <class T>
void roi_align_forward(CudaStream stream, const RoiLevels<const T>& levels,
                       Rows<const Wide<T>> rois, Span<const std::int32_t> image, Nhwc<T> out);
template <class T>
void roi_align_backward(CudaStream stream, Rows<const Wide<T>> rois, Span<const std::int32_t> image,
                        Nhwc<const T> dout, const RoiLevels<T>& dlevels);

}  // namespace cuda
}  // namespace ktrain
