// The fully connected layers of the RoI head: 1024 regions, 12544 -> 1024 -> 1024 -> {2, 4}. `peak`
// is the share of the multiply-add peak measured in this process.
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/fma_peak.h"
#include "kernels/gemm.h"
#include "kernels/profile.h"

namespace ktrain::bench {
namespace {

std::vector<float> draw(std::int64_t size) {
  std::mt19937 engine(static_cast<unsigned>(size));
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) value = normal(engine);
  return values;
}

enum Pass : std::int64_t { kForward, kData, kWeights };

void linear(benchmark::State& state) {
  const std::int64_t rows = state.range(0), inputs = state.range(1), outputs = state.range(2);
  std::vector<float> x_data = draw(rows * inputs), w_data = draw(outputs * inputs),
                     y_data = draw(rows * outputs);
  const std::vector<float> bias_data = draw(outputs);
  const Rows<float> x{x_data.data(), rows, inputs}, w{w_data.data(), outputs, inputs},
      y{y_data.data(), rows, outputs};
  const Span<const float> bias{bias_data.data(), outputs};
  std::vector<float> workspace;
  const auto run = [&](Rows<float> a, Rows<float> b, Span<const float> shift, Rows<float> c,
                       const GemmOptions& options) {
    const std::int64_t wanted = cpu::gemm_workspace<float>(a, b, shift, c, options);
    workspace.resize(static_cast<std::size_t>(wanted));
    cpu::gemm<float>(a, b, shift, {workspace.data(), wanted}, c, options);
  };
  const auto pass = [&] {
    switch (state.range(3)) {
      case kForward:
        run(x, w, bias, y, {.transpose_b = true, .relu = true});
        break;
      case kData:
        run(y, w, {}, x, {});
        break;
      default:
        run(y, x, {}, w, {.transpose_a = true});
    }
  };
  static const double peak = measure_fma_peak(20);
  pass();  // creates the primitive
  const double begin = monotonic_seconds();
  for (auto _ : state) pass();
  const double seconds = monotonic_seconds() - begin;
  const double rate = 2.0 * static_cast<double>(rows * inputs) * static_cast<double>(outputs) *
                      static_cast<double>(state.iterations()) / seconds;
  state.counters["GF/s"] = rate * 1e-9;
  state.counters["peak"] = rate / peak;
}

BENCHMARK(linear)
    ->ArgNames({"rows", "inputs", "outputs", "pass"})
    ->ArgsProduct({{1024}, {12544}, {1024}, {kForward, kData, kWeights}})
    ->ArgsProduct({{1024}, {1024}, {1024, 4, 2}, {kForward, kData, kWeights}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ktrain::bench
