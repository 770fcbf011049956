// A thread per anchor, 16 bytes written by each; validity a thread per four anchors of an image.
// The sides are computed on the host, by the arithmetic of the CPU.
#include "kernels/anchors.h"

#include <cmath>

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kPerCell = static_cast<int>(kAnchorsPerCell);

// The levels, one after another: level l has the anchors from first[l] on.
struct Grid {
  int levels;
  int first[kMaxCudaLevels + 1];
  int height[kMaxCudaLevels], width[kMaxCudaLevels], stride[kMaxCudaLevels];
};

struct Sides {
  float half_width[kMaxCudaLevels][kPerCell], half_height[kMaxCudaLevels][kPerCell];
};

struct Place {
  int level, row, col, ratio;
};

__device__ Place place_of(const Grid& grid, int anchor) {
  int level = 0;
  while (anchor >= grid.first[level + 1]) ++level;
  const int index = anchor - grid.first[level], cell = index / kPerCell;
  const int row = cell / grid.width[level];
  return {level, row, cell - row * grid.width[level], index - cell * kPerCell};
}

__global__ void __launch_bounds__(kThreads)
    anchor_kernel(const __grid_constant__ Grid grid, const __grid_constant__ Sides sides,
                  bool aligned, float* anchors) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= grid.first[grid.levels]) return;
  const Place at = place_of(grid, static_cast<int>(i));
  const std::int64_t stride = grid.stride[at.level];
  const float x = static_cast<float>(at.col * stride), y = static_cast<float>(at.row * stride);
  const float half_width = sides.half_width[at.level][at.ratio];
  const float half_height = sides.half_height[at.level][at.ratio];
  store_quad(anchors + i * 4,
             make_float4(x - half_width, y - half_height, x + half_width, y + half_height),
             aligned);
}

__device__ std::int64_t chunks(std::int64_t size, std::int64_t grain) {
  return (size + grain - 1) / grain;
}

__global__ void __launch_bounds__(kThreads)
    validity_kernel(const __grid_constant__ Grid grid, const std::int32_t* sizes,
                    std::int64_t images, std::int64_t multiple, bool aligned, std::uint8_t* valid) {
  const int anchors = grid.first[grid.levels];
  const std::int64_t per_image = chunks(anchors, 4);
  const std::int64_t thread = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (thread >= images * per_image) return;
  const std::int64_t n = thread / per_image;
  const int first = static_cast<int>(thread - n * per_image) * 4;
  const std::int64_t height = chunks(sizes[n * 2], multiple) * multiple;
  const std::int64_t width = chunks(sizes[n * 2 + 1], multiple) * multiple;
  unsigned word = 0;
  for (int k = 0; k < 4 && first + k < anchors; ++k) {
    const Place at = place_of(grid, first + k);
    const bool inside = at.row < chunks(height, grid.stride[at.level]) &&
                        at.col < chunks(width, grid.stride[at.level]);
    if (inside) word |= 1u << (8 * k);
  }
  std::uint8_t* const out = valid + n * anchors + first;
  if (aligned) {
    *reinterpret_cast<unsigned*>(out) = word;
    return;
  }
  for (int k = 0; k < 4 && first + k < anchors; ++k)
    out[k] = static_cast<std::uint8_t>(word >> (8 * k) & 1u);
}

Grid grid_of(const char* who, Span<const PyramidLevel> levels) {
  KT_CHECK(levels.size <= kMaxCudaLevels, "{}: {} levels, at most {} on CUDA", who, levels.size,
           kMaxCudaLevels);
  KT_CHECK(num_anchors(levels) <= std::numeric_limits<std::int32_t>::max() - 4,
           "{}: {} anchors are too many", who, num_anchors(levels));
  Grid grid{};
  grid.levels = static_cast<int>(levels.size);
  for (std::int64_t l = 0; l < levels.size; ++l) {
    const PyramidLevel& level = levels[l];
    KT_CHECK(level.stride >= 1, "{}: level {} has stride {}", who, l, level.stride);
    grid.first[l + 1] = grid.first[l] + static_cast<int>(level.num_anchors());
    grid.height[l] = static_cast<int>(level.height);
    grid.width[l] = static_cast<int>(level.width);
    grid.stride[l] = static_cast<int>(level.stride);
  }
  return grid;
}

}  // namespace

void make_anchors(CudaStream stream, Span<const PyramidLevel> levels, const AnchorShapes& shapes,
                  Rows<float> anchors) {
  KT_CHECK(shapes.scale > 0, "make_anchors: scale {}", shapes.scale);
  for (const double ratio : shapes.ratios) KT_CHECK(ratio > 0, "make_anchors: ratio {}", ratio);
  KT_CHECK(anchors.rows == num_anchors(levels) && anchors.cols == 4,
           "make_anchors: anchors is {}x{}, the levels have {}x4", anchors.rows, anchors.cols,
           num_anchors(levels));
  const Grid grid = grid_of("make_anchors", levels);
  const float scale = static_cast<float>(shapes.scale);
  Sides sides{};
  for (int l = 0; l < grid.levels; ++l) {
    for (std::size_t a = 0; a < shapes.ratios.size(); ++a) {
      const float base = static_cast<float>(grid.stride[l]);
      const float root = std::sqrt(static_cast<float>(shapes.ratios[a]));
      sides.half_width[l][a] = base * (1.0f / root) * scale * 0.5f;
      sides.half_height[l][a] = base * root * scale * 0.5f;
    }
  }
  if (anchors.rows == 0) return;
  launch("make_anchors", anchor_kernel, num_blocks(anchors.rows, kThreads), kThreads, stream, grid,
         sides, aligned_for_quads(anchors.data), anchors.data);
}

void anchor_validity(CudaStream stream, Span<const PyramidLevel> levels,
                     Rows<const std::int32_t> sizes, Rows<std::uint8_t> valid,
                     std::int64_t multiple) {
  KT_CHECK(multiple >= 1, "anchor_validity: sides rounded up to a multiple of {}", multiple);
  KT_CHECK(sizes.cols == 2, "anchor_validity: sizes has {} columns, 2 wanted (height, width)",
           sizes.cols);
  KT_CHECK(valid.rows == sizes.rows && valid.cols == num_anchors(levels),
           "anchor_validity: valid is {}x{}, {} images and {} anchors wanted", valid.rows,
           valid.cols, sizes.rows, num_anchors(levels));
  const Grid grid = grid_of("anchor_validity", levels);
  if (valid.empty()) return;
  const bool aligned = valid.cols % 4 == 0 && reinterpret_cast<std::uintptr_t>(valid.data) % 4 == 0;
  launch("anchor_validity", validity_kernel,
         num_blocks(valid.rows * num_blocks(valid.cols, 4), kThreads), kThreads, stream, grid,
         sizes.data, valid.rows, multiple, aligned, valid.data);
}

}  // namespace ktrain::cuda
