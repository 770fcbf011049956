// The classification loss of the RoI head: 512 regions of each of two images.
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/cross_entropy.h"

namespace ktrain::bench {
namespace {

void cross_entropy(benchmark::State& state) {
  const std::int64_t rows = state.range(0), cols = state.range(1);
  std::vector<float> x(static_cast<std::size_t>(rows * cols)), p(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) - 8.0f;
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(rows), 1);
  std::vector<float> row_loss(labels.size());
  const float avg_factor = static_cast<float>(rows), dloss = 1;
  float loss = 0;
  for (auto _ : state) {
    cpu::cross_entropy_forward(Rows<const float>{x.data(), rows, cols}, {labels.data(), rows},
                               Span<const float>{&avg_factor, 1}, Rows<float>{p.data(), rows, cols},
                               Span<float>{row_loss.data(), rows}, Span<float>{&loss, 1});
    cpu::cross_entropy_backward(Rows<const float>{p.data(), rows, cols}, {labels.data(), rows},
                                Span<const float>{&avg_factor, 1}, Span<const float>{&dloss, 1},
                                Rows<float>{p.data(), rows, cols});
  }
  state.SetBytesProcessed(state.iterations() * rows * cols * 4 * std::int64_t{sizeof(float)});
}

BENCHMARK(cross_entropy)
    ->ArgNames({"rois", "classes"})
    ->Args({1024, 2})
    ->Args({1024, 81})
    ->UseRealTime();

}  // namespace
}  // namespace ktrain::bench
