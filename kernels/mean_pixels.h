// The mean of a map over its pixels.
//   forward:   y[n,c] = sum_{h,w} x[n,h,w,c] / (height * width)
//   backward:  dx[n,h,w,c] = dy[n,c] / (height * width)
// Sums are taken in double, on the CPU in the order of the pixels, on CUDA in an order that depends
// on the shape alone. A map without pixels gives NaN. Wrong sizes
// throw Error. Outputs must not overlap inputs. Means of
// a map of Bfloat16 are in float.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// Elements of scratch that the forward needs, on either device.
[[nodiscard]] std::int64_t mean_pixels_scratch(std::int64_t batch, std::int64_t channels);

namespace cpu {

// y: batch x channels.
template <class T>
void mean_pixels_forward(Nhwc<const T> x, Rows<Wide<T>> y, Span<double> scratch);
template <class T>
void mean_pixels_backward(Rows<const Wide<T>> dy, Nhwc<T> dx);

}  // namespace cpu

namespace cuda {

template <class T>
void mean_pixels_forward(CudaStream stream, Nhwc<const T> x, Rows<Wide<T>> y, Span<double> scratch);
template <class T>
void mean_pixels_backward(CudaStream stream, Rows<const Wide<T>> dy, Nhwc<T> dx);

}  // namespace cuda
}  // namespace ktrain
