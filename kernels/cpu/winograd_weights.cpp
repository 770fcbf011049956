// Weight gradient. A chunk of tiles is transformed by all threads: V [point][channel panel][tile]
// of the inputs and Z [point][filter panel][tile] of the gradients, panels of kPanel; then each
// point's product Z^T V of filters by channels is added to dU [point][filter panel][channel panel],
// points spread over the threads. Chunks follow each other, so sums have one order whatever the
// number of threads.
#include <algorithm>

#include "kernels/cpu/winograd.h"
#include "kernels/cpu/winograd_tiles.h"
#include "kernels/parallel.h"

namespace ktrain::cpu::winograd {
namespace {

// Tiles of a chunk: a point's V and Z of 256 channels then take half a MiB.
constexpr std::int64_t kChunk = 256;

struct Layout {
  std::int64_t chunk, v_step, z_step, v_floats, z_floats, gradient_floats, zeros_floats;

  Layout(Nhwc<const float> x, Nhwc<const float> g) {
    chunk = std::min(kChunk, Tiles(g).count);
    v_step = point_step(chunk * x.channels);
    z_step = point_step(chunk * g.channels);
    v_floats = kPoints * v_step;
    z_floats = kPoints * z_step;
    gradient_floats = kPoints * x.channels * g.channels;
    zeros_floats = std::max(x.channels, g.channels);
  }
};

// The points of the tiles [first, first + count): of a patch of x with kSide = kPatch, of a tile of
// gradients with kSide = kTile. A task writes one panel of channels of a few tiles: 36 runs of
// memory, not 36 scattered lines for each vector.
template <std::int64_t kSide, class Transform>
void transform_tiles(Nhwc<const float> x, const Tiles& tiles, std::int64_t first,
                     std::int64_t count, std::int64_t pad, const float* zeros, float* to,
                     std::int64_t step, Transform&& transform) {
  constexpr std::int64_t kGroup = 32;
  const std::int64_t groups = num_chunks(count, kGroup);
  parallel_for(groups * (x.channels / kPanel), 1, [&](std::int64_t task) {
    const std::int64_t panel = task / groups, begin = task % groups * kGroup;
    const float* pixels[kSide * kSide];
    Vec from[kSide * kSide], points[kPoints];
    for (std::int64_t t = begin; t < std::min(count, begin + kGroup); ++t) {
      Tiles::Place at = tiles[first + t];
      at.h -= pad;
      at.w -= pad;
      pixel_pointers<kSide>(x, at, zeros, pixels);
      for (std::int64_t lane = 0; lane < kPanel; lane += Vec::kLanes) {
        for (std::int64_t i = 0; i < kSide * kSide; ++i)
          from[i] = Vec::load(pixels[i] + panel * kPanel + lane);
        transform_square<kSide, kPatch>(from, points, transform);
        store_points(points, to + (panel * count + t) * kPanel + lane, step);
      }
    }
  });
}

// dU += Z^T V over `count` tiles, or = with `first`.
void multiply(const Layout& layout, const float* v, const float* z, std::int64_t count, bool first,
              std::int64_t v_panels, std::int64_t z_panels, float* gradient) {
  // One task a point keeps a point's V in its thread's cache; smaller ones only where threads would
  // be left without.
  const std::int64_t grain = num_threads() <= 12 ? z_panels : 1;
  parallel_for(kPoints * z_panels, grain, [&](std::int64_t item) {
    const std::int64_t point = item / z_panels, z_panel = item % z_panels;
    const float* a = z + point * layout.z_step + z_panel * count * kPanel;
    const float* b = v + point * layout.v_step;
    float* to = gradient + item * v_panels * kPanel * kPanel;
    for (std::int64_t panel = 0; panel < v_panels; ++panel)
      micro_gemm({a, 1, kPanel}, b + panel * count * kPanel, kPanel, count,
                 to + panel * kPanel * kPanel, !first);
  });
}

void finish_filters(const float* gradient, Krsc<float> dw) {
  constexpr std::int64_t kSquare = kTaps * kTaps;
  const std::int64_t step = dw.filters * dw.channels;
  const std::int64_t panels = dw.channels / kPanel;
  parallel_for(dw.filters, 4, [&](std::int64_t k) {
    Vec points[kPoints], taps[kSquare];
    for (std::int64_t c = 0; c < dw.channels; c += Vec::kLanes) {
      const std::int64_t block = k / kPanel * panels + c / kPanel;
      const float* from = gradient + (block * kPanel + k % kPanel) * kPanel + c % kPanel;
      for (std::int64_t p = 0; p < kPoints; ++p) points[p] = Vec::load(from + p * step);
      transform_square<kPatch, kTaps>(points, taps, transform_filter_gradient);
      for (std::int64_t s = 0; s < kSquare; ++s)
        taps[s].store(dw.data + (k * kSquare + s) * dw.channels + c);
    }
  });
}

}  // namespace

std::int64_t conv2d_backward_weights_workspace(Nhwc<const float> x, Nhwc<const float> g) {
  const Layout layout(x, g);
  return layout.zeros_floats + layout.gradient_floats + layout.v_floats + layout.z_floats;
}

void conv2d_backward_weights(Nhwc<const float> x, Nhwc<const float> g, float* workspace,
                             Krsc<float> dw, const Conv2dOptions& options) {
  const Layout layout(x, g);
  const Tiles tiles(g);
  float* zeros = workspace;
  float* gradient = zeros + layout.zeros_floats;
  float* v = gradient + layout.gradient_floats;
  float* z = v + layout.v_floats;
  std::fill_n(zeros, layout.zeros_floats, 0.0F);
  for (std::int64_t first = 0; first < tiles.count; first += layout.chunk) {
    const std::int64_t count = std::min(layout.chunk, tiles.count - first);
    transform_tiles<kPatch>(x, tiles, first, count, options.pad, zeros, v, layout.v_step,
                            transform_input);
    transform_tiles<kTile>(g, tiles, first, count, 0, zeros, z, layout.z_step, transform_cotangent);
    multiply(layout, v, z, count, first == 0, x.channels / kPanel, g.channels / kPanel, gradient);
  }
  finish_filters(gradient, dw);
}

}  // namespace ktrain::cpu::winograd
