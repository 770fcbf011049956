// Bytes of a padded batch of images to numbers around zero.
//   y[n,h,w,c] = (x[n,h,w,c] - mean[c]) / deviation[c] where h < sizes(n,0) and w < sizes(n,1), the
//   image's own height and width; 0 in the padding around it. No gradient.
// Shapes of x and y agree, mean and deviation have a value for each channel, sizes has two columns
// and lies within the map. Throws Error otherwise, or when a deviation is not positive.
#pragma once

#include <cstdint>

#include "kernels/view.h"

namespace ktrain::cpu {

template <class T>
void normalize(Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes, Span<const T> mean,
               Span<const T> deviation, Nhwc<T> y);

}  // namespace ktrain::cpu
