// Tiles of an output map, the patches of input under them, and how they are read.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/micro_gemm.h"
#include "kernels/cpu/winograd_transform.h"
#include "kernels/view.h"

namespace ktrain::cpu::winograd {

// All 4x4 tiles of a batch of maps, the last of a row or column reaching past the edge.
struct Tiles {
  std::int64_t rows, cols, count;

  explicit Tiles(Nhwc<const float> y)
      : rows((y.height + kTile - 1) / kTile),
        cols((y.width + kTile - 1) / kTile),
        count(y.batch * rows * cols) {}
  struct Place {
    std::int64_t n, h, w;  // image, first row, first column
  };
  [[nodiscard]] Place operator[](std::int64_t tile) const {
    return {tile / (rows * cols), tile / cols % rows * kTile, tile % cols * kTile};
  }
};

// Pointers to the kSide x kSide pixels from (h, w) of image n; `zeros` (a pixel of them) stands for
// what lies outside.
template <std::int64_t kSide>
void pixel_pointers(Nhwc<const float> x, const Tiles::Place& at, const float* zeros,
                    const float** pointers) {
  for (std::int64_t i = 0; i < kSide; ++i)
    for (std::int64_t j = 0; j < kSide; ++j) {
      const std::int64_t h = at.h + i, w = at.w + j;
      const bool inside = h >= 0 && h < x.height && w >= 0 && w < x.width;
      pointers[i * kSide + j] = inside ? &x(at.n, h, w, 0) : zeros;
    }
}

// The points of one tile at to[point * step + c] for c in a vector.
inline void store_points(const Vec* points, float* to, std::int64_t step) {
  for (std::int64_t p = 0; p < kPoints; ++p) points[p].store(to + p * step);
}

// Distance between two points' matrices of `size` floats: a line more, since stores to 36 addresses
// that are equal modulo 4096 would fall on one set of the cache.
[[nodiscard]] constexpr std::int64_t point_step(std::int64_t size) { return size + 16; }

}  // namespace ktrain::cpu::winograd
