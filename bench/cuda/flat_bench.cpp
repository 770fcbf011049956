// Elementwise arithmetic, reductions and AdamW at the sizes of a training step: a ResNet-50
// stream's parameters, a map of a pyramid's lowest level.
#include "bench/cuda/cuda_bench.h"
#include "kernels/adamw.h"
#include "kernels/reduce.h"

namespace ktrain::bench {
namespace {

constexpr std::int64_t kFloat = sizeof(float);
constexpr std::int64_t kBackbone = 23508032;
constexpr std::int64_t kMap = 2 * 128 * 160 * 256;

void cuda_add(benchmark::State& state) {
  CudaBench bench;
  const std::int64_t n = state.range(0);
  const auto a = bench.random(n), b = bench.random(n, 2);
  const DeviceBuffer<float> y(n);
  bench.run(state, 3 * n * kFloat,
            [&] { cuda::add(bench.stream(), a.const_span(), b.const_span(), y.span()); });
}

void cuda_relu_backward(benchmark::State& state) {
  CudaBench bench;
  const std::int64_t n = state.range(0);
  const auto y = bench.random(n), dy = bench.random(n, 2);
  const DeviceBuffer<float> dx(n);
  bench.run(state, 3 * n * kFloat, [&] {
    cuda::relu_backward(bench.stream(), y.const_span(), dy.const_span(), dx.span());
  });
}

void cuda_sum_of_squares(benchmark::State& state) {
  CudaBench bench;
  const std::int64_t n = state.range(0);
  const auto x = bench.random(n);
  const DeviceBuffer<float> y(1);
  const DeviceBuffer<double> scratch(kReduceScratch);
  bench.run(state, n * kFloat, [&] {
    cuda::sum_of_squares(bench.stream(), x.const_span(), scratch.span(), y.span());
  });
}

void cuda_column_sums(benchmark::State& state) {
  CudaBench bench;
  const std::int64_t rows = state.range(0), cols = state.range(1);
  const auto x = bench.random(rows * cols);
  const DeviceBuffer<float> y(cols);
  const DeviceBuffer<double> scratch(kReduceScratch);
  bench.run(state, rows * cols * kFloat, [&] {
    cuda::column_sums(bench.stream(), {x.data(), rows, cols}, scratch.span(), y.span());
  });
}

void cuda_adamw(benchmark::State& state) {
  CudaBench bench;
  const std::int64_t n = state.range(0);
  const auto gradient = bench.random(n), weight = bench.random(n, 2);
  const std::vector<float> zeros(static_cast<std::size_t>(n));
  const DeviceBuffer<float> m(bench.stream(), zeros), v(bench.stream(), zeros);
  const auto values = adamw_numbers<float>({}, 1);
  const DeviceBuffer<float> numbers(bench.stream(), {values.begin(), values.end()}),
      scale(bench.stream(), {1.0f});
  bench.run(state, 7 * n * kFloat, [&] {
    cuda::adamw(bench.stream(), gradient.const_span(), numbers.const_span(), scale.const_span(),
                weight.span(), m.span(), v.span());
  });
}

BENCHMARK(cuda_add)
    ->ArgName("p2_2x128x160x256")
    ->Arg(kMap)
    ->Iterations(kIterations)
    ->UseManualTime();
BENCHMARK(cuda_relu_backward)
    ->ArgName("p2_2x128x160x256")
    ->Arg(kMap)
    ->Iterations(kIterations)
    ->UseManualTime();
BENCHMARK(cuda_sum_of_squares)
    ->ArgName("backbone_weights")
    ->Arg(kBackbone)
    ->Iterations(kIterations)
    ->UseManualTime();
BENCHMARK(cuda_column_sums)
    ->ArgNames({"rows", "cols"})
    ->Args({2 * 128 * 160, 256})
    ->Args({2 * 128 * 160, 3})
    ->Args({1024, 1024})
    ->Iterations(kIterations)
    ->UseManualTime();
BENCHMARK(cuda_adamw)
    ->ArgName("backbone_weights")
    ->Arg(kBackbone)
    ->Iterations(kIterations)
    ->UseManualTime();

}  // namespace
}  // namespace ktrain::bench
