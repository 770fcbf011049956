// The global norm of all gradients, and the bias gradient of a convolution.
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/reduce.h"

namespace ktrain::bench {
namespace {

void sum_of_squares(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const std::vector<float> x(static_cast<std::size_t>(n), 0.5f);
  std::vector<double> scratch(kReduceScratch);
  float y = 0;
  for (auto _ : state)
    cpu::sum_of_squares(Span<const float>{x.data(), n}, {scratch.data(), kReduceScratch},
                        Span<float>{&y, 1});
  state.SetBytesProcessed(state.iterations() * n * std::int64_t{sizeof(float)});
}

void count_nonfinite(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const std::vector<float> x(static_cast<std::size_t>(n), 0.5f);
  std::vector<double> scratch(kReduceScratch);
  std::int32_t y = 0;
  for (auto _ : state)
    cpu::count_nonfinite(Span<const float>{x.data(), n}, {scratch.data(), kReduceScratch},
                         Span<std::int32_t>{&y, 1});
  state.SetBytesProcessed(state.iterations() * n * std::int64_t{sizeof(float)});
}

void column_sums(benchmark::State& state) {
  const std::int64_t rows = state.range(0), cols = state.range(1);
  const std::vector<float> x(static_cast<std::size_t>(rows * cols), 0.5f);
  std::vector<float> y(static_cast<std::size_t>(cols));
  std::vector<double> scratch(kReduceScratch);
  for (auto _ : state)
    cpu::column_sums(Rows<const float>{x.data(), rows, cols}, {scratch.data(), kReduceScratch},
                     Span<float>{y.data(), cols});
  state.SetBytesProcessed(state.iterations() * rows * cols * std::int64_t{sizeof(float)});
}

BENCHMARK(sum_of_squares)->ArgName("detector_weights")->Arg(41350000)->UseRealTime();
BENCHMARK(count_nonfinite)->ArgName("detector_weights")->Arg(41350000)->UseRealTime();
BENCHMARK(column_sums)->ArgNames({"p2_pixels", "channels"})->Args({20480, 256})->UseRealTime();
BENCHMARK(column_sums)->ArgNames({"rois", "fc"})->Args({1024, 1024})->UseRealTime();

}  // namespace
}  // namespace ktrain::bench
