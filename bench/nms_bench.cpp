// Suppression as a training step needs it: two images with four full levels of 2000 boxes each.
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/nms.h"

namespace ktrain::bench {
namespace {

// Boxes of a few hundred clusters when `clusters` is set, so that most are suppressed, as by a
// trained network; else spread evenly over 640x512 pixels, as by an untrained one.
std::vector<float> boxes_of(std::int64_t count, bool clusters) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> draw(0, 1);
  std::normal_distribution<float> jitter(0, 1);
  std::vector<float> boxes;
  for (std::int64_t i = 0; i < count; ++i) {
    if (clusters) engine.seed(static_cast<unsigned>(i * 7919 % 300));
    const float h = 20.0f * std::pow(10.0f, draw(engine)), w = 0.6f * h;
    const float x = draw(engine) * (640 - w), y = draw(engine) * (512 - h);
    if (clusters) engine.seed(static_cast<unsigned>(i + 1000));
    const float dx = clusters ? 0.08f * w * jitter(engine) : 0;
    const float dy = clusters ? 0.08f * h * jitter(engine) : 0;
    boxes.insert(boxes.end(), {x + dx, y + dy, x + dx + w, y + dy + h});
  }
  return boxes;
}

void nms(benchmark::State& state) {
  const std::int64_t lists = state.range(0), capacity = state.range(1);
  const std::vector<float> boxes = boxes_of(lists * capacity, state.range(2) != 0);
  std::vector<float> scores;
  for (std::int64_t i = 0; i < lists * capacity; ++i)
    scores.push_back(static_cast<float>(i * 7919 % 10007));
  std::vector<std::int32_t> kept(static_cast<std::size_t>(lists * 1000)),
      counts(static_cast<std::size_t>(lists));
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(cpu::nms_scratch_bytes<float>(lists, capacity)));
  for (auto _ : state)
    cpu::nms(BoxList<const float>{boxes.data(), nullptr, lists, capacity},
             Rows<const float>{scores.data(), lists, capacity},
             Rows<std::int32_t>{kept.data(), lists, 1000}, {counts.data(), lists},
             {scratch.data(), static_cast<std::int64_t>(scratch.size())}, 0.7f);
  double total = 0;
  for (const std::int32_t count : counts) total += count;
  state.counters["kept"] = total / static_cast<double>(lists);
}
BENCHMARK(nms)
    ->ArgNames({"lists", "boxes", "clusters"})
    ->Args({8, 2000, 0})
    ->Args({8, 2000, 1})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ktrain::bench
