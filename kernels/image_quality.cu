// A block per image and row of 8x8 tiles, which walks along it 256 columns at a time: brightness as
// an integer, 299 R + 587 G + 114 B, goes to shared memory with a pixel around; a thread per column
// takes the column's part of a tile and its curvatures. All sums of a row of tiles are integers, so
// that no order matters. Then a warp per image adds its rows of tiles in double, in a fixed order.
#include "kernels/image_quality.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;  // columns of a block
constexpr int kTile = 8;
constexpr int kRows = kTile + 2;     // a row above and one below
constexpr int kCols = kThreads + 2;  // a column on either side
constexpr double kUnit = 255000;     // brightness 1
constexpr double kBright = 0.25;
constexpr double kHalfPi = 1.5707963267948966;
static_assert(kThreads % kTile == 0 && kWarpSize % kTile == 0, "a tile's columns in one warp");

// Sums over a row of tiles, in units of brightness: at most 2^14 tiles of 64 * 255000, squared:
// 2^62; at most 2^19 curvatures of 8 * 255000.
struct StripSums {
  std::int64_t tile, tile_squares, curvature;
};

struct Size {
  int height, width;
};

// An image's own size within the batch's.
__device__ Size size_of(const std::int32_t* sizes, int image, Size most) {
  const auto within = [](int size, int limit) {
    return size < 0 ? 0 : size < limit ? size : limit;
  };
  return {within(sizes[2 * image], most.height), within(sizes[2 * image + 1], most.width)};
}

// Rows top-1 .. top+8 and columns left-1 .. left+256 of the image, 0 where it has none.
__device__ void load_luma(const std::uint8_t* image, int row_width, Size size, int top, int left,
                          int* luma) {
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kCols; i += kThreads) {
    const int h = top - 1 + i / kCols, w = left - 1 + i % kCols;
    const bool inside = h >= 0 && h < size.height && w >= 0 && w < size.width;
    const std::uint8_t* const p = image + (std::int64_t{h} * row_width + w) * 3;
    luma[i] = inside ? 299 * p[0] + 587 * p[1] + 114 * p[2] : 0;
  }
}

// Adds what this thread's column gives. All threads of the block call it.
__device__ void add_column(const int* luma, Size size, int top, int w, StripSums& sums) {
  const int* const column = luma + threadIdx.x + 1;  // in the row above the strip
  int part = 0;
  for (int r = 1; r <= kTile; ++r) part += column[r * kCols];
  const int tile = warp_reduce<kTile>(part, Add{});
  const int lane = static_cast<int>(threadIdx.x) % kTile;
  if (lane == 0 && w + kTile <= size.width) {
    sums.tile += tile;
    sums.tile_squares += std::int64_t{tile} * tile;
  }
  if (w < 1 || w + 1 >= size.width) return;
  // K is the second difference along the row, then along the column.
  const auto along_row = [&](int r) {
    const int* const at = column + r * kCols;
    return at[-1] - 2 * at[0] + at[1];
  };
  int above = along_row(0), here = along_row(1);
  for (int r = 1; r <= kTile; ++r) {
    const int below = along_row(r + 1), h = top + r - 1;
    const int k = above - 2 * here + below;
    if (h >= 1 && h + 1 < size.height) sums.curvature += k < 0 ? -k : k;
    above = here;
    here = below;
  }
}

__global__ void __launch_bounds__(kThreads)
    strip_kernel(const std::uint8_t* x, const std::int32_t* sizes, Size most, int strips,
                 StripSums* partials) {
  int* const luma = shared_array<int, kRows * kCols, struct Luma>();
  std::int64_t* const scratch =
      shared_array<std::int64_t, kThreads / kWarpSize, struct Scratches>();
  const int image = static_cast<int>(blockIdx.x) / strips;
  const int top = static_cast<int>(blockIdx.x) % strips * kTile;
  const Size size = size_of(sizes, image, most);
  if (top + kTile > size.height) return;  // the whole block: not a row of tiles of this image
  StripSums sums{0, 0, 0};
  for (int left = 0; left < size.width; left += kThreads) {
    __syncthreads();  // the columns before have been read
    load_luma(x + std::int64_t{image} * most.height * most.width * 3, most.width, size, top, left,
              luma);
    __syncthreads();
    add_column(luma, size, top, left + static_cast<int>(threadIdx.x), sums);
  }
  const std::int64_t zero = 0;
  sums.tile = block_reduce<kThreads>(sums.tile, Add{}, zero, scratch);
  sums.tile_squares = block_reduce<kThreads>(sums.tile_squares, Add{}, zero, scratch);
  sums.curvature = block_reduce<kThreads>(sums.curvature, Add{}, zero, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = sums;
}

__device__ float quality_of(double tile, double tile_squares, double curvature, int strips,
                            Size size) {
  const double tiles = static_cast<double>(strips) * (size.width / kTile);
  const double mean = tile / tiles;
  const double spread = tile_squares / tiles - mean * mean;
  const double structure = spread > 0 ? spread : 0;
  const int inner = (strips * kTile < size.height - 1 ? strips * kTile : size.height - 1) - 1;
  const double sigma = sqrt(kHalfPi) / 6 * curvature /
                       (static_cast<double>(inner) * static_cast<double>(size.width - 2));
  if (structure <= 1e-12) return 0;
  const double bright = mean / kBright;
  return static_cast<float>((bright < 1 ? bright : 1.0) * structure / (structure + sigma * sigma));
}

// A warp, which is a block, per image.
__global__ void __launch_bounds__(kWarpSize)
    quality_kernel(const StripSums* partials, const std::int32_t* sizes, Size most, int all_strips,
                   float* quality) {
  const int image = static_cast<int>(blockIdx.x);
  const Size size = size_of(sizes, image, most);
  const int strips = size.width < kTile ? 0 : size.height / kTile;
  double tile = 0, tile_squares = 0, curvature = 0;
  for (int s = static_cast<int>(threadIdx.x); s < strips; s += kWarpSize) {
    const StripSums part = partials[std::int64_t{image} * all_strips + s];
    tile += static_cast<double>(part.tile) / (kTile * kTile * kUnit);
    tile_squares +=
        static_cast<double>(part.tile_squares) / (kTile * kTile * kUnit * (kTile * kTile * kUnit));
    curvature += static_cast<double>(part.curvature) / kUnit;
  }
  tile = warp_reduce(tile, Add{});
  tile_squares = warp_reduce(tile_squares, Add{});
  curvature = warp_reduce(curvature, Add{});
  if (threadIdx.x == 0)
    quality[image] = strips == 0 ? 0.0f : quality_of(tile, tile_squares, curvature, strips, size);
}

}  // namespace

void image_quality(CudaStream stream, Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes,
                   Span<float> quality, Span<std::byte> memory) {
  constexpr auto kWho = "image_quality";
  KT_CHECK(x.channels == 3 && sizes.rows == x.batch && sizes.cols == 2 && quality.size == x.batch,
           "{}: x is {}x{}x{}x{}, sizes {}x{}, quality {}", kWho, x.batch, x.height, x.width,
           x.channels, sizes.rows, sizes.cols, quality.size);
  KT_CHECK(x.height <= 65535 && x.width <= 65535,
           "{}: images are {}x{}; at most 65535x65535 can be worked on", kWho, x.height, x.width);
  if (x.batch == 0) return;
  const Size most{static_cast<int>(x.height), static_cast<int>(x.width)};
  const int strips = most.height / kTile;
  const Span<StripSums> partials = Scratch(memory).take<StripSums>(x.batch * strips);
  if (strips > 0)
    launch(kWho, strip_kernel, x.batch * strips, kThreads, stream, x.data, sizes.data, most, strips,
           partials.data);
  launch(kWho, quality_kernel, x.batch, kWarpSize, stream, partials.data, sizes.data, most, strips,
         quality.data);
}

}  // namespace ktrain::cuda
