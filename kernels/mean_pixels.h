// The mean of a map over its pixels.
//   forward:   y[n,c] = sum_{h,w} x[n,h,w,c] / (height * width)
//   backward:  dx[n,h,w,c] = dy[n,c] / (height * width)
// Sums are taken in double in the order of the pixels. A map without pixels gives NaN. Wrong sizes
// throw Error. Outputs must not overlap inputs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/view.h"

namespace ktrain::cpu {

// y: batch x channels.
template <class T>
void mean_pixels_forward(Nhwc<const T> x, Rows<T> y, Span<double> scratch);
// Elements of scratch that the forward needs.
[[nodiscard]] std::int64_t mean_pixels_scratch(std::int64_t batch, std::int64_t channels);
template <class T>
void mean_pixels_backward(Rows<const T> dy, Nhwc<T> dx);

}  // namespace ktrain::cpu
