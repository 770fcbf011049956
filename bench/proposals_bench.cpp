// What stands between the heads of a step of two 640x512 images: assignment, sampling, proposals.
#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/assign.h"
#include "kernels/proposals.h"
#include "kernels/sample.h"

namespace ktrain::bench {
namespace {

constexpr std::int64_t kImages = 2, kAnchors = 81840;
const std::vector<PyramidLevel> kLevels = {
    {128, 160, 4}, {64, 80, 8}, {32, 40, 16}, {16, 20, 32}, {8, 10, 64}};

std::vector<float> anchors() {
  std::vector<float> boxes(static_cast<std::size_t>(kAnchors * 4));
  cpu::make_anchors({kLevels.data(), 5}, {}, Rows<float>{boxes.data(), kAnchors, 4});
  return boxes;
}

std::vector<float> normals(std::int64_t count, float deviation) {
  std::mt19937 engine(1);
  std::normal_distribution<float> draw(0, deviation);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = draw(engine);
  return values;
}

void propose(benchmark::State& state) {
  const ProposalRule rule{state.range(0), 1000, 0.7};
  const auto boxes = anchors(), logits = normals(kImages * kAnchors, 1),
             deltas = normals(kImages * kAnchors * 4, 0.1f);
  const std::vector<std::int32_t> sizes = {512, 640, 512, 640};
  std::vector<float> found(kImages * 1000 * 4), scores(kImages * 1000);
  std::vector<std::int32_t> counts(kImages);
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(cpu::propose_scratch_bytes<float>(kImages, 5, rule)));
  for (auto _ : state)
    cpu::propose<float>({{logits.data(), kImages, kAnchors},
                         {deltas.data(), kImages * kAnchors, 4},
                         {boxes.data(), kAnchors, 4},
                         {kLevels.data(), 5},
                         {sizes.data(), kImages, 2}},
                        {{found.data(), kImages * 1000, 4},
                         {scores.data(), kImages, 1000},
                         {counts.data(), kImages}},
                        {scratch.data(), static_cast<std::int64_t>(scratch.size())}, rule);
}
BENCHMARK(propose)
    ->ArgName("per_level")
    ->Arg(2000)
    ->Arg(1000)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void assign_and_sample(benchmark::State& state) {
  const std::int64_t targets = state.range(0);
  const auto boxes = anchors();
  std::mt19937 engine(2);
  std::uniform_real_distribution<float> draw(0, 1);
  std::vector<float> target_boxes;
  for (std::int64_t i = 0; i < kImages * targets; ++i) {
    const float h = 40 + 200 * draw(engine), w = 0.41f * h;
    const float x = draw(engine) * (640 - w), y = draw(engine) * (512 - h);
    target_boxes.insert(target_boxes.end(), {x, y, x + w, y + h});
  }
  const std::vector<std::int32_t> counts(kImages, static_cast<std::int32_t>(targets));
  const std::vector<std::int32_t> counters = {0, 1, 0, 2};
  AssignInput<float> input;
  input.boxes = {boxes.data(), nullptr, 1, kAnchors};
  input.targets = {target_boxes.data(), counts.data(), kImages, targets};
  std::vector<std::int32_t> match(kImages * kAnchors), labels(match.size()), chosen(kImages * 2);
  std::vector<float> overlap(match.size());
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(assign_scratch_bytes<float>(kImages, kAnchors, targets) +
                               sample_scratch_bytes(kImages, kRpnSample)));
  const Span<std::byte> memory{scratch.data(), static_cast<std::int64_t>(scratch.size())};
  for (auto _ : state) {
    cpu::assign(input, {match.data(), kImages, kAnchors}, {overlap.data(), kImages, kAnchors},
                memory, kRpnAssign);
    cpu::sample_anchors({match.data(), kImages, kAnchors},
                        {{.seed = 1, .stream = 2}, {counters.data(), kImages, 2}, {}},
                        {labels.data(), kImages, kAnchors}, {chosen.data(), kImages, 2}, memory,
                        kRpnSample);
  }
}
BENCHMARK(assign_and_sample)
    ->ArgName("targets")
    ->Arg(4)
    ->Arg(32)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ktrain::bench
