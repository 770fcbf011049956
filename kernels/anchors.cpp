#include "kernels/anchors.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain {

std::int64_t num_anchors(Span<const PyramidLevel> levels) {
  std::int64_t total = 0;
  for (std::int64_t l = 0; l < levels.size; ++l) total += levels[l].num_anchors();
  return total;
}

namespace cpu {

template <class T>
void make_anchors(Span<const PyramidLevel> levels, const AnchorShapes& shapes, Rows<T> anchors) {
  const T scale = static_cast<T>(shapes.scale);
  KT_CHECK(shapes.scale > 0, "make_anchors: scale {}", shapes.scale);
  for (const double ratio : shapes.ratios) KT_CHECK(ratio > 0, "make_anchors: ratio {}", ratio);
  KT_CHECK(anchors.rows == num_anchors(levels) && anchors.cols == 4,
           "make_anchors: anchors is {}x{}, the levels have {}x4", anchors.rows, anchors.cols,
           num_anchors(levels));
  T* out = anchors.data;
  for (std::int64_t l = 0; l < levels.size; ++l) {
    const PyramidLevel& level = levels[l];
    KT_CHECK(level.stride >= 1, "make_anchors: level {} has stride {}", l, level.stride);
    std::array<T, kAnchorsPerCell> half_width{}, half_height{};
    for (std::size_t a = 0; a < shapes.ratios.size(); ++a) {
      // In T and in this order, to round as mmdetection rounds.
      const T base = static_cast<T>(level.stride),
              root = std::sqrt(static_cast<T>(shapes.ratios[a]));
      half_width[a] = base * (T{1} / root) * scale * T(0.5);
      half_height[a] = base * root * scale * T(0.5);
    }
    for (std::int64_t i = 0; i < level.height; ++i) {
      for (std::int64_t j = 0; j < level.width; ++j) {
        const T x = static_cast<T>(j * level.stride), y = static_cast<T>(i * level.stride);
        for (std::size_t a = 0; a < shapes.ratios.size(); ++a, out += 4) {
          out[0] = x - half_width[a];
          out[1] = y - half_height[a];
          out[2] = x + half_width[a];
          out[3] = y + half_height[a];
        }
      }
    }
  }
}

void anchor_validity(Span<const PyramidLevel> levels, Rows<const std::int32_t> sizes,
                     Rows<std::uint8_t> valid, std::int64_t multiple) {
  KT_CHECK(multiple >= 1, "anchor_validity: sides rounded up to a multiple of {}", multiple);
  KT_CHECK(sizes.cols == 2, "anchor_validity: sizes has {} columns, 2 wanted (height, width)",
           sizes.cols);
  KT_CHECK(valid.rows == sizes.rows && valid.cols == num_anchors(levels),
           "anchor_validity: valid is {}x{}, {} images and {} anchors wanted", valid.rows,
           valid.cols, sizes.rows, num_anchors(levels));
  parallel_for(sizes.rows, 1, [&](std::int64_t n) {
    std::uint8_t* out = valid.data + n * valid.cols;
    const std::int64_t height = num_chunks(sizes(n, 0), multiple) * multiple;
    const std::int64_t width = num_chunks(sizes(n, 1), multiple) * multiple;
    for (std::int64_t l = 0; l < levels.size; ++l) {
      const PyramidLevel& level = levels[l];
      const std::int64_t rows = num_chunks(height, level.stride);
      const std::int64_t cols =
          std::clamp<std::int64_t>(num_chunks(width, level.stride), 0, level.width);
      for (std::int64_t i = 0; i < level.height; ++i) {
        const std::int64_t real = i < rows ? cols * kAnchorsPerCell : 0;
        std::fill(out, out + real, std::uint8_t{1});
        std::fill(out + real, out + level.width * kAnchorsPerCell, std::uint8_t{0});
        out += level.width * kAnchorsPerCell;
      }
    }
  });
}

template void make_anchors(Span<const PyramidLevel>, const AnchorShapes&, Rows<float>);
template void make_anchors(Span<const PyramidLevel>, const AnchorShapes&, Rows<double>);

}  // namespace cpu
}  // namespace ktrain
