// One optimiser step over all the weights of a two-stream ResNet-50 detector.
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/adamw.h"

namespace ktrain::bench {
namespace {

void adamw(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const std::vector<float> gradient(static_cast<std::size_t>(n), 1e-3f);
  std::vector<float> weight(gradient.size(), 0.1f), m(gradient.size()), v(gradient.size());
  const auto numbers = adamw_numbers<float>({}, 10);
  const float one = 1;
  for (auto _ : state)
    cpu::adamw(Span<const float>{gradient.data(), n},
               Span<const float>{numbers.data(), kAdamwNumbers}, Span<const float>{&one, 1},
               Span<float>{weight.data(), n}, Span<float>{m.data(), n}, Span<float>{v.data(), n});
  state.SetBytesProcessed(state.iterations() * n * 7 * std::int64_t{sizeof(float)});
}

BENCHMARK(adamw)->ArgName("weights")->Arg(65536)->Arg(41350000)->UseRealTime();

}  // namespace
}  // namespace ktrain::bench
