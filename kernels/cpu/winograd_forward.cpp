// Forward and data gradient. A thread takes a block of tiles through all stages while its patches
// stay in the second-level cache: transformed inputs V [point][tile][channel], then for each panel
// of filters 36 products M = V U [point][tile][panel] and the way back to pixels. The transformed
// filters U [panel][point][channel][panel width] stream past once for each block.
#include <algorithm>

#include <omp.h>

#include "kernels/cpu/winograd.h"
#include "kernels/cpu/winograd_tiles.h"
#include "kernels/parallel.h"

namespace ktrain::cpu::winograd {
namespace {

// Floats of V: with M and a panel of U they just fit a second-level cache of 2 MiB.
constexpr std::int64_t kBlockFloats = 440 * 1024;
// Depth of one product: its panel of U stays in the first-level cache.
constexpr std::int64_t kDepth = 256;

// How the tiles are cut into blocks, and what lies where in the workspace.
struct Layout {
  std::int64_t block, blocks, v_step, m_step, zeros_floats, thread_floats, filter_floats;

  Layout(Nhwc<const float> x, Nhwc<const float> y) {
    const std::int64_t tiles = Tiles(y).count, threads = num_threads();
    const std::int64_t largest =
        std::max<std::int64_t>(kMicroRows, kBlockFloats / (kPoints * x.channels));
    // A multiple of the threads, so that none waits for another's last block.
    const std::int64_t wanted = num_chunks(num_chunks(tiles, largest), threads) * threads;
    block = num_chunks(tiles, wanted);
    blocks = num_chunks(tiles, block);
    v_step = point_step(block * x.channels);
    m_step = point_step(block * kPanel);
    zeros_floats = x.channels;
    thread_floats = kPoints * (v_step + m_step);
    filter_floats = kPoints * x.channels * y.channels;
  }
  [[nodiscard]] std::int64_t workspace() const {
    return filter_floats + zeros_floats + thread_floats * num_threads();
  }
};

// What becomes of the sums of a tile.
struct Finish {
  Span<const float> shift;
  Nhwc<const float> residual;
  bool relu;
};

void transform_patches(Nhwc<const float> x, const Tiles& tiles, std::int64_t first,
                       std::int64_t count, std::int64_t pad, const float* zeros, float* v,
                       std::int64_t v_step) {
  const float* pixels[kPoints];
  Vec patch[kPoints], points[kPoints];
  for (std::int64_t t = 0; t < count; ++t) {
    Tiles::Place at = tiles[first + t];
    at.h -= pad;
    at.w -= pad;
    pixel_pointers<kPatch>(x, at, zeros, pixels);
    for (std::int64_t c = 0; c < x.channels; c += Vec::kLanes) {
      for (std::int64_t i = 0; i < kPoints; ++i) patch[i] = Vec::load(pixels[i] + c);
      transform_square<kPatch, kPatch>(patch, points, transform_input);
      store_points(points, v + t * x.channels + c, v_step);
    }
  }
}

// M of one panel of filters to pixels of y, channels [k, k + kPanel).
void finish_tiles(const float* m, std::int64_t m_step, const Tiles& tiles, std::int64_t first,
                  std::int64_t count, std::int64_t k, const Finish& finish, Nhwc<float> y) {
  Vec points[kPoints], out[kTile * kTile];
  const Vec zero = Vec::all(0);
  for (std::int64_t t = 0; t < count; ++t) {
    const Tiles::Place at = tiles[first + t];
    const std::int64_t rows = std::min(kTile, y.height - at.h);
    const std::int64_t cols = std::min(kTile, y.width - at.w);
    for (std::int64_t lane = 0; lane < kPanel; lane += Vec::kLanes) {
      for (std::int64_t p = 0; p < kPoints; ++p)
        points[p] = Vec::load(m + p * m_step + t * kPanel + lane);
      transform_square<kPatch, kTile>(points, out, transform_output);
      const std::int64_t c = k + lane;
      const Vec shift = finish.shift.empty() ? zero : Vec::load(finish.shift.data + c);
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < cols; ++j) {
          Vec value = out[i * kTile + j] + shift;
          if (!finish.residual.empty())
            value = value + Vec::load(&finish.residual(at.n, at.h + i, at.w + j, c));
          if (finish.relu) value = simd::relu(value);
          value.store(&y(at.n, at.h + i, at.w + j, c));
        }
    }
  }
}

// y = finish(x * filters) where `filters` is U.
void convolve(Nhwc<const float> x, const float* filters, float* workspace, const Finish& finish,
              Nhwc<float> y, std::int64_t pad) {
  const Layout layout(x, y);
  const Tiles tiles(y);
  float* zeros = workspace;
  std::fill_n(zeros, layout.zeros_floats, 0.0F);
  float* scratch = workspace + layout.zeros_floats;
  parallel_chunks(tiles.count, layout.block,
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                    float* v = scratch + omp_get_thread_num() * layout.thread_floats;
                    float* m = v + kPoints * layout.v_step;
                    const std::int64_t count = end - begin;
                    transform_patches(x, tiles, begin, count, pad, zeros, v, layout.v_step);
                    const float* panel = filters;
                    for (std::int64_t k = 0; k < y.channels; k += kPanel) {
                      for (std::int64_t p = 0; p < kPoints; ++p)
                        for (std::int64_t c = 0; c < x.channels; c += kDepth) {
                          const std::int64_t depth = std::min(kDepth, x.channels - c);
                          micro_gemm({v + p * layout.v_step + c, x.channels, 1}, panel, count,
                                     depth, m + p * layout.m_step, c > 0);
                          panel += depth * kPanel;
                        }
                      finish_tiles(m, layout.m_step, tiles, begin, count, k, finish, y);
                    }
                  });
}

// U of the filters for forward: panels of filters, depth in channels. A block of filters by
// channels is turned on the way, since vectors run along the filters.
void transform_filters(Krsc<const float> w, Span<const float> scale, float* to) {
  constexpr std::int64_t kSquare = kTaps * kTaps;
  parallel_for(w.filters / kPanel, 1, [&](std::int64_t panel) {
    float turned[kSquare * kPanel];
    Vec taps[kSquare], points[kPoints];
    for (std::int64_t c = 0; c < w.channels; ++c) {
      for (std::int64_t i = 0; i < kPanel; ++i) {
        const std::int64_t k = panel * kPanel + i;
        const float factor = scale.empty() ? 1.0F : scale[k];
        for (std::int64_t s = 0; s < kSquare; ++s)
          turned[s * kPanel + i] = factor * w.data[(k * kSquare + s) * w.channels + c];
      }
      for (std::int64_t lane = 0; lane < kPanel; lane += Vec::kLanes) {
        for (std::int64_t s = 0; s < kSquare; ++s) taps[s] = Vec::load(turned + s * kPanel + lane);
        transform_square<kTaps, kPatch>(taps, points, transform_filter);
        float* at = to + panel * kPoints * w.channels * kPanel + c * kPanel + lane;
        store_points(points, at, w.channels * kPanel);
      }
    }
  });
}

// U of the data gradient: taps turned by half a turn, panels of channels, depth in filters.
void transform_filters_back(Krsc<const float> w, Span<const float> scale, float* to) {
  constexpr std::int64_t kSquare = kTaps * kTaps;
  parallel_for(w.channels / kPanel, 1, [&](std::int64_t panel) {
    Vec taps[kSquare], points[kPoints];
    for (std::int64_t k = 0; k < w.filters; ++k) {
      const Vec factor = Vec::all(scale.empty() ? 1.0F : scale[k]);
      for (std::int64_t lane = 0; lane < kPanel; lane += Vec::kLanes) {
        const float* from = w.data + k * kSquare * w.channels + panel * kPanel + lane;
        for (std::int64_t s = 0; s < kSquare; ++s)
          taps[kSquare - 1 - s] = factor * Vec::load(from + s * w.channels);
        transform_square<kTaps, kPatch>(taps, points, transform_filter);
        float* at = to + panel * kPoints * w.filters * kPanel + k * kPanel + lane;
        store_points(points, at, w.filters * kPanel);
      }
    }
  });
}

}  // namespace

bool fits(Nhwc<const float> x, Krsc<const float> w, const Conv2dOptions& options) {
  return w.rows == kTaps && w.cols == kTaps && options.stride == 1 && options.pad < kTaps &&
         w.channels % kPanel == 0 && w.filters % kPanel == 0 && !x.empty();
}

std::int64_t channel_multiple() { return kPanel; }

bool pays(Nhwc<const float> y) {
  // The transformed filters are four times as large as the filters and are read once for each block
  // of tiles: with few tiles their transfer outweighs the multiplications saved.
  constexpr std::int64_t kFewestTiles = 32;
  return simd::Vec::kLanes > 4 && Tiles(y).count >= kFewestTiles;
}

std::int64_t conv2d_forward_workspace(Nhwc<const float> x, Nhwc<const float> y) {
  return Layout(x, y).workspace();
}

void conv2d_forward(Nhwc<const float> x, Krsc<const float> w, Conv2dEpilogue<float> epilogue,
                    float* workspace, Nhwc<float> y, const Conv2dOptions& options) {
  transform_filters(w, epilogue.scale, workspace);
  convolve(x, workspace, workspace + Layout(x, y).filter_floats,
           {epilogue.shift, epilogue.residual, options.relu}, y, options.pad);
}

std::int64_t conv2d_backward_data_workspace(Nhwc<const float> g, Nhwc<const float> dx) {
  return Layout(g, dx).workspace();
}

void conv2d_backward_data(Nhwc<const float> g, Krsc<const float> w, Span<const float> scale,
                          float* workspace, Nhwc<float> dx, const Conv2dOptions& options) {
  transform_filters_back(w, scale, workspace);
  convolve(g, workspace, workspace + Layout(g, dx).filter_floats, {{}, {}, false}, dx,
           kTaps - 1 - options.pad);
}

}  // namespace ktrain::cpu::winograd
