// Flat arithmetic, at the sizes of a training step: a ResNet-50 stream's parameters, the sum of two
// feature maps of a pyramid's lowest level.
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/elementwise.h"

namespace ktrain::bench {
namespace {

void accumulate(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const std::vector<float> x(static_cast<std::size_t>(n), 1.0f);
  std::vector<float> y(x.size(), 2.0f);
  for (auto _ : state) cpu::accumulate(Span<const float>{x.data(), n}, Span<float>{y.data(), n});
  state.SetBytesProcessed(state.iterations() * n * 3 * std::int64_t{sizeof(float)});
}

void relu_backward(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const std::vector<float> y(static_cast<std::size_t>(n), 1.0f), dy(y);
  std::vector<float> dx(y.size());
  for (auto _ : state)
    cpu::relu_backward(Span<const float>{y.data(), n}, Span<const float>{dy.data(), n},
                       Span<float>{dx.data(), n});
  state.SetBytesProcessed(state.iterations() * n * 3 * std::int64_t{sizeof(float)});
}

BENCHMARK(accumulate)->ArgName("backbone_weights")->Arg(23508032)->UseRealTime();
BENCHMARK(accumulate)->ArgName("head_fc")->Arg(1048576)->UseRealTime();
BENCHMARK(relu_backward)->ArgName("p2_128x160x256")->Arg(128 * 160 * 256)->UseRealTime();

}  // namespace
}  // namespace ktrain::bench
