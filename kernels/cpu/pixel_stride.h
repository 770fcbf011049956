// A 1x1 filter of stride s sees every s-th pixel of every s-th row and nothing else: its
// convolution is that of stride 1 over the pixels it sees.
//
// oneDNN gathers them into a buffer of its own, and 2.6 writes past that buffer's end in
// backward_weights (seen with 16 columns and fewer channels than a vector holds; a wrong gradient
// with AVX2, a damaged heap with AVX-512). So the pixels are gathered here, before oneDNN.
#pragma once

#include <algorithm>

#include "kernels/conv2d.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {

inline constexpr std::int64_t kPixelRowGrain = 8;

template <class W>
[[nodiscard]] bool skips_pixels(const W& w, const Conv2dOptions& options) {
  return w.rows == 1 && w.cols == 1 && options.pad == 0 && options.stride > 1;
}

// The map of seen pixels between x (or dx) and y (or g), at `data`.
template <class X, class Y>
[[nodiscard]] Nhwc<float> seen_pixels(float* data, const X& x, const Y& y) {
  return {data, y.batch, y.height, y.width, x.channels};
}

// Room for it, so that what follows stays aligned to 64 bytes.
[[nodiscard]] inline std::int64_t seen_floats(const Nhwc<float>& seen) {
  return (seen.size() + 15) / 16 * 16;
}

inline void gather_pixels(Nhwc<const float> x, std::int64_t stride, Nhwc<float> seen) {
  parallel_for(seen.batch * seen.height, kPixelRowGrain, [&](std::int64_t row) {
    const std::int64_t n = row / seen.height, i = row % seen.height, channels = x.channels;
    const float* from = x.data + (n * x.height + i * stride) * x.width * channels;
    float* to = seen.data + row * seen.width * channels;
    for (std::int64_t j = 0; j < seen.width; ++j)
      std::copy_n(from + j * stride * channels, channels, to + j * channels);
  });
}

// The reverse: pixels that are not seen become 0.
inline void scatter_pixels(Nhwc<const float> seen, std::int64_t stride, Nhwc<float> dx) {
  parallel_for(dx.batch * dx.height, kPixelRowGrain, [&](std::int64_t row) {
    const std::int64_t n = row / dx.height, i = row % dx.height, channels = dx.channels;
    float* to = dx.data + row * dx.width * channels;
    std::fill_n(to, dx.width * channels, 0.0f);
    if (i % stride != 0 || i / stride >= seen.height) return;
    const float* from = seen.data + (n * seen.height + i / stride) * seen.width * channels;
    for (std::int64_t j = 0; j < seen.width; ++j)
      std::copy_n(from + j * channels, channels, to + j * stride * channels);
  });
}

[[nodiscard]] inline Conv2dOptions dense_options(Conv2dOptions options) {
  options.stride = 1;
  return options;
}

}  // namespace ktrain::cpu
