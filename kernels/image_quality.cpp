#include "kernels/image_quality.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace ktrain {
namespace {

constexpr std::int64_t kTile = 8;
constexpr std::int64_t kStripSums = 3;

}  // namespace

// Three sums of 8 bytes by row of tiles.
std::int64_t image_quality_scratch_bytes(std::int64_t batch, std::int64_t height) {
  Scratch scratch;
  (void)scratch.take<double>(batch * (height / kTile) * kStripSums);
  return scratch.bytes();
}

namespace cpu {
namespace {

constexpr double kBright = 0.25;

struct Luma {
  const std::uint8_t* data;
  std::int64_t width;  // of a row in memory
  [[nodiscard]] double operator()(std::int64_t h, std::int64_t w) const {
    const std::uint8_t* const p = data + (h * width + w) * 3;
    return (0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]) / 255.0;
  }
};

struct StripSums {
  double tile = 0, tile_squares = 0, curvature = 0;
};
static_assert(sizeof(StripSums) == kStripSums * sizeof(double));

// One row of tiles: its pixels, and |Y * K| around them.
StripSums sums_of_strip(const Luma& y, std::int64_t top, std::int64_t height, std::int64_t width) {
  StripSums sums;
  for (std::int64_t left = 0; left + kTile <= width; left += kTile) {
    double tile = 0;
    for (std::int64_t h = top; h < top + kTile; ++h)
      for (std::int64_t w = left; w < left + kTile; ++w) tile += y(h, w);
    tile /= kTile * kTile;
    sums.tile += tile;
    sums.tile_squares += tile * tile;
  }
  const std::int64_t last = std::min(top + kTile, height - 1);
  for (std::int64_t h = std::max<std::int64_t>(top, 1); h < last; ++h)
    for (std::int64_t w = 1; w + 1 < width; ++w)
      sums.curvature +=
          std::abs(y(h - 1, w - 1) + y(h - 1, w + 1) + y(h + 1, w - 1) + y(h + 1, w + 1) +
                   4 * y(h, w) - 2 * (y(h - 1, w) + y(h + 1, w) + y(h, w - 1) + y(h, w + 1)));
  return sums;
}

double quality_of(const Luma& y, std::int64_t height, std::int64_t width, Span<std::byte> scratch) {
  const std::int64_t strips = height / kTile, columns = width / kTile;
  if (strips == 0 || columns == 0) return 0;
  const Span<StripSums> parts = Scratch(scratch).take<StripSums>(strips);
  parallel_for(strips, 1,
               [&](std::int64_t s) { parts[s] = sums_of_strip(y, s * kTile, height, width); });
  StripSums all;
  for (std::int64_t s = 0; s < strips; ++s) {
    all.tile += parts[s].tile;
    all.tile_squares += parts[s].tile_squares;
    all.curvature += parts[s].curvature;
  }
  const auto tiles = static_cast<double>(strips * columns);
  const double mean = all.tile / tiles;
  const double structure = std::max(0.0, all.tile_squares / tiles - mean * mean);
  const std::int64_t rows = std::min(strips * kTile, height - 1) - 1;
  const double sigma =
      std::sqrt(std::numbers::pi / 2) / 6 * all.curvature / static_cast<double>(rows * (width - 2));
  if (structure <= 1e-12) return 0;
  return std::min(1.0, mean / kBright) * structure / (structure + sigma * sigma);
}

}  // namespace

template <class T>
void image_quality(Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes, Span<T> quality,
                   Span<std::byte> scratch) {
  KT_CHECK(x.channels == 3 && sizes.rows == x.batch && sizes.cols == 2 && quality.size == x.batch,
           "image_quality: x is {}x{}x{}x{}, sizes {}x{}, quality {}", x.batch, x.height, x.width,
           x.channels, sizes.rows, sizes.cols, quality.size);
  for (std::int64_t n = 0; n < x.batch; ++n) {
    const Luma y{x.data + n * x.height * x.width * 3, x.width};
    const auto within = [](std::int64_t size, std::int64_t most) {
      return std::clamp<std::int64_t>(size, 0, most);
    };
    quality[n] = static_cast<T>(
        quality_of(y, within(sizes(n, 0), x.height), within(sizes(n, 1), x.width), scratch));
  }
}

template void image_quality(Nhwc<const std::uint8_t>, Rows<const std::int32_t>, Span<float>,
                            Span<std::byte>);
template void image_quality(Nhwc<const std::uint8_t>, Rows<const std::int32_t>, Span<double>,
                            Span<std::byte>);

}  // namespace cpu
}  // namespace ktrain
