// How much a visible image shows, as a number from 0 to 1, from the image alone. With
// Y = (0.299 R + 0.587 G + 0.114 B) / 255 inside the image's own size:
//   brightness  b = mean Y
//   structure   V = variance of the means of whole 8x8 tiles
//   noise       N = sigma^2, sigma = sqrt(pi/2) / 6 * mean |Y * K|,  K = (1 -2 1; -2 4 -2; 1 -2 1)
//                   over inner pixels (Immerkaer 1996): blind to slopes and edges along the axes
//   quality     q = min(1, b / 0.25) * V / (V + N)
// Dark images lose by b, images that a camera has amplified out of the dark by N. An image without
// structure, or smaller than one tile, has q = 0. Sums in double, in an order that does not depend
// on threads; on CUDA in integers, which are exact, within a row of tiles. sizes: batch x (height,
// width); a size beyond x's counts as x's. `scratch` holds image_quality_scratch_bytes. Throws
// Error on other shapes, and on CUDA where a side of x is above 65535.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// Of either device, for images of that height.
[[nodiscard]] std::int64_t image_quality_scratch_bytes(std::int64_t batch, std::int64_t height);

namespace cpu {

template <class T>
void image_quality(Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes, Span<T> quality,
                   Span<std::byte> scratch);

}  // namespace cpu

namespace cuda {

void image_quality(CudaStream stream, Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes,
                   Span<float> quality, Span<std::byte> scratch);

}  // namespace cuda
}  // namespace ktrain
