// Bytes to numbers that a backbone reads.
//   y[n,h,w,c] = (x[n,h,w,c] - mean[c]) / std[c]   for h < sizes[n,0] and w < sizes[n,1]
//              = 0                                 elsewhere: padding is zero after normalisation
// x and y are of one shape with three channels; sizes is batch x 2, heights and widths within x's.
// Empty input is a no-op. Throws Error on shapes that do not fit; a size beyond x's counts as x's.
// On CUDA sides are at most 65535. A y of Bfloat16 holds the floats, rounded.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// Per channel, in the order of the image's channels and in units of its bytes.
struct ImageStatistics {
  std::array<float, 3> mean{};
  std::array<float, 3> std{};
};

namespace cpu {

template <class T>
void image_normalize(Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes, Nhwc<T> y,
                     const ImageStatistics& statistics);

}  // namespace cpu

namespace cuda {

template <class T>
void image_normalize(CudaStream stream, Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes,
                     Nhwc<T> y, const ImageStatistics& statistics);

}  // namespace cuda
}  // namespace ktrain
