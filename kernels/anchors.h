// Anchors of a feature pyramid, as mmdetection's AnchorGenerator with one scale and centre offset
// 0. A level of stride s has squares of side scale * s; ratio r = height / width keeps the area: w
// = scale * s / sqrt(r), h = scale * s * sqrt(r). The anchors of cell (i, j) are centred at (j * s,
// i * s). Order: level, row, column, ratio; 81,840 for 640x512 and strides 4 to 64.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

inline constexpr std::int64_t kAnchorsPerCell = 3;

struct AnchorShapes {
  double scale = 8;
  std::array<double, kAnchorsPerCell> ratios = {0.5, 1, 2};
};

struct PyramidLevel {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t stride = 0;

  [[nodiscard]] constexpr std::int64_t num_anchors() const {
    return height * width * kAnchorsPerCell;
  }
};

[[nodiscard]] std::int64_t num_anchors(Span<const PyramidLevel> levels);

namespace cpu {

// anchors: num_anchors(levels) x 4. Throws Error on another shape a stride below 1, or a scale or
// ratio that is not above 0.
template <class T>
void make_anchors(Span<const PyramidLevel> levels, const AnchorShapes& shapes, Rows<T> anchors);

// valid[n, a] is 1 when the cell of anchor a starts within image n, its sides rounded up to a
// multiple of `multiple`: row < ceil(height / stride) and column < ceil(width / stride). sizes:
// images x (height, width) in pixels. A batch is padded to one size; anchors of the padding beyond
// an image's own (mmdetection: to a multiple of 32) take no part in training.
void anchor_validity(Span<const PyramidLevel> levels, Rows<const std::int32_t> sizes,
                     Rows<std::uint8_t> valid, std::int64_t multiple);

}  // namespace cpu

// Levels of a pyramid that CUDA kernels take.
inline constexpr int kMaxCudaLevels = 8;

namespace cuda {

// `levels` lie on the host, sizes on the device.
void make_anchors(CudaStream stream, Span<const PyramidLevel> levels, const AnchorShapes& shapes,
                  Rows<float> anchors);
void anchor_validity(CudaStream stream, Span<const PyramidLevel> levels,
                     Rows<const std::int32_t> sizes, Rows<std::uint8_t> valid,
                     std::int64_t multiple);

}  // namespace cuda
}  // namespace ktrain
