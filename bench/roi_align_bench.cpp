// RoIAlign of the RoI head: 512 regions of each of two 640x512 images, 256 channels, 7x7 bins.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/roi_align.h"

namespace ktrain::bench {
namespace {

struct Setup {
  std::int64_t rois, channels;
  std::vector<float> values, gradients, corners, out;
  std::vector<std::int32_t> image;

  Setup(std::int64_t rois_, std::int64_t channels_) : rois(rois_), channels(channels_) {
    const auto cells = static_cast<std::size_t>(2 * (128 * 160 + 64 * 80 + 32 * 40 + 16 * 20));
    values.assign(cells * static_cast<std::size_t>(channels), 0.5f);
    gradients = values;
    out.assign(static_cast<std::size_t>(rois * 49 * channels), 0.25f);
    // Heights from 20 to 450 pixels at a pedestrian's 0.41 of it wide, like KAIST's boxes, a third
    // of them wider as proposals are.
    std::mt19937 engine(1);
    std::uniform_real_distribution<float> draw(0, 1);
    for (std::int64_t r = 0; r < rois; ++r) {
      const float h = 20.0f * std::pow(22.5f, draw(engine));
      const float w = std::min(600.0f, h * (r % 3 == 0 ? 1.2f : 0.41f));
      const float x = draw(engine) * (640 - w), y = draw(engine) * (512 - h);
      corners.insert(corners.end(), {x, y, x + w, y + h});
      image.push_back(static_cast<std::int32_t>(r % 2));
    }
  }
  static RoiLevels<float> levels(float* at, std::int64_t channels) {
    RoiLevels<float> result;
    for (std::size_t l = 0; l < kRoiLevels; ++l) {
      result[l] = {at, 2, 128 >> l, 160 >> l, channels};
      at += result[l].size();
    }
    return result;
  }
};

void roi_align_forward(benchmark::State& state) {
  Setup s(state.range(0), state.range(1));
  const auto v = Setup::levels(s.values.data(), s.channels);
  const RoiLevels<const float> levels = {v[0], v[1], v[2], v[3]};
  for (auto _ : state)
    cpu::roi_align_forward(levels, Rows<const float>{s.corners.data(), s.rois, 4},
                           {s.image.data(), s.rois},
                           Nhwc<float>{s.out.data(), s.rois, 7, 7, s.channels});
  state.SetItemsProcessed(state.iterations() * s.rois);
}

void roi_align_backward(benchmark::State& state) {
  Setup s(state.range(0), state.range(1));
  const auto dlevels = Setup::levels(s.gradients.data(), s.channels);
  for (auto _ : state)
    cpu::roi_align_backward(Rows<const float>{s.corners.data(), s.rois, 4},
                            {s.image.data(), s.rois},
                            Nhwc<const float>{s.out.data(), s.rois, 7, 7, s.channels}, dlevels);
  state.SetItemsProcessed(state.iterations() * s.rois);
}

BENCHMARK(roi_align_forward)->ArgNames({"rois", "channels"})->Args({1024, 256})->UseRealTime();
BENCHMARK(roi_align_backward)->ArgNames({"rois", "channels"})->Args({1024, 256})->UseRealTime();

}  // namespace
}  // namespace ktrain::bench
