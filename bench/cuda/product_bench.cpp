// Convolutions and matrix products at the sizes of a training step, 640x512, two images of one
// stream: the shapes that carry its work, forward (scale, shift, ReLU), data and weight gradients.
// FLOP/s counts the multiply-adds of the direct method, two operations each.
#include <string>
#include <utility>

#include "bench/cuda/cuda_bench.h"
#include "kernels/conv2d.h"
#include "kernels/gemm.h"

namespace ktrain::bench {
namespace {

constexpr std::int64_t kFloat = sizeof(float);

void count_flops(benchmark::State& state, double flops) {
  state.counters["FLOP/s"] = benchmark::Counter(flops * static_cast<double>(state.iterations()),
                                                benchmark::Counter::kIsRate);
}

struct Layer {
  const char* name;
  std::int64_t height, width, channels, filters, taps, stride;
};

constexpr std::int64_t kBatch = 2;

constexpr Layer kLayers[] = {
    {"stem 7x7/2 3-64", 512, 640, 3, 64, 7, 2},
    {"C2 1x1 64-256", 128, 160, 64, 256, 1, 1},
    {"C2 3x3 64", 128, 160, 64, 64, 3, 1},
    {"C3 3x3/2 128", 128, 160, 128, 128, 3, 2},
    {"C3 1x1/2 256-512", 128, 160, 256, 512, 1, 2},
    {"C4 1x1 256-1024", 32, 40, 256, 1024, 1, 1},
    {"C5 1x1 2048-512", 16, 20, 2048, 512, 1, 1},
    {"C5 3x3 512", 16, 20, 512, 512, 3, 1},
    {"P2 3x3 256", 128, 160, 256, 256, 3, 1},
    {"P6 3x3 256", 8, 10, 256, 256, 3, 1},
    {"RPN boxes 1x1 256-12", 128, 160, 256, 12, 1, 1},
};

// A layer's arrays on the device.
struct Convolution {
  Conv2dOptions options;
  std::int64_t out_height, out_width;
  DeviceBuffer<float> x, w, scale, y, dx, dw, dscale;
  Nhwc<float> x_map, y_map, dx_map;
  Krsc<float> filters, dw_filters;

  Convolution(const CudaBench& bench, const Layer& l)
      : options{.stride = l.stride, .pad = l.taps / 2, .relu = true},
        out_height(conv2d_out_size(l.height, l.taps, options)),
        out_width(conv2d_out_size(l.width, l.taps, options)),
        x(bench.random(kBatch * l.height * l.width * l.channels, 1)),
        w(bench.random(l.filters * l.taps * l.taps * l.channels, 2)),
        scale(bench.random(l.filters, 3)),
        y(bench.random(kBatch * out_height * out_width * l.filters, 4)),
        dx(x.size()),
        dw(w.size()),
        dscale(l.filters),
        x_map{x.data(), kBatch, l.height, l.width, l.channels},
        y_map{y.data(), kBatch, out_height, out_width, l.filters},
        dx_map{dx.data(), kBatch, l.height, l.width, l.channels},
        filters{w.data(), l.filters, l.taps, l.taps, l.channels},
        dw_filters{dw.data(), l.filters, l.taps, l.taps, l.channels} {}

  // Each of the three arrays once.
  [[nodiscard]] std::int64_t bytes() const { return (x.size() + w.size() + y.size()) * kFloat; }
};

void cuda_conv2d_forward(benchmark::State& state, const Layer& layer) {
  CudaBench bench;
  const Convolution c(bench, layer);
  const Conv2dEpilogue<float> epilogue{c.scale.const_span(), c.scale.const_span(), {}};
  const DeviceBuffer<float> workspace(
      cuda::conv2d_forward_workspace(c.x_map, c.filters, epilogue, c.y_map, c.options));
  bench.run(state, c.bytes(), [&] {
    cuda::conv2d_forward(bench.stream(), c.x_map, c.filters, epilogue, workspace.span(), c.y_map,
                         c.options);
  });
  count_flops(state, conv2d_flops<float>(c.y_map, c.filters));
}

void cuda_conv2d_backward_data(benchmark::State& state, const Layer& layer) {
  CudaBench bench;
  const Convolution c(bench, layer);
  const DeviceBuffer<float> workspace(cuda::conv2d_backward_data_workspace(
      c.y_map, c.filters, c.scale.const_span(), c.dx_map, c.options));
  bench.run(state, c.bytes(), [&] {
    cuda::conv2d_backward_data(bench.stream(), c.y_map, c.filters, c.scale.const_span(),
                               workspace.span(), c.dx_map, c.options);
  });
  count_flops(state, conv2d_flops<float>(c.y_map, c.filters));
}

void cuda_conv2d_backward_weights(benchmark::State& state, const Layer& layer) {
  CudaBench bench;
  const Convolution c(bench, layer);
  const DeviceBuffer<float> workspace(
      cuda::conv2d_backward_weights_workspace(c.x_map, c.y_map, c.dw_filters, c.options));
  bench.run(state, c.bytes(), [&] {
    cuda::conv2d_backward_weights(bench.stream(), c.x_map, c.y_map,
                                  {c.filters, c.scale.const_span()}, workspace.span(), c.dw_filters,
                                  c.dscale.span(), c.options);
  });
  count_flops(state, conv2d_flops<float>(c.y_map, c.filters));
}

// c = op(a) op(b) in the three forms of a linear layer.
void cuda_gemm(benchmark::State& state, bool transpose_a, bool transpose_b) {
  CudaBench bench;
  const std::int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const DeviceBuffer<float> a(bench.random(m * k, 1)), b(bench.random(k * n, 2)), c(m * n);
  const GemmOptions options{.transpose_a = transpose_a, .transpose_b = transpose_b};
  const Rows<const float> left{a.data(), transpose_a ? k : m, transpose_a ? m : k};
  const Rows<const float> right{b.data(), transpose_b ? n : k, transpose_b ? k : n};
  const Rows<float> out{c.data(), m, n};
  const DeviceBuffer<float> workspace(cuda::gemm_workspace(left, right, {}, out, options));
  bench.run(state, (m * k + k * n + m * n) * kFloat,
            [&] { cuda::gemm(bench.stream(), left, right, {}, workspace.span(), out, options); });
  count_flops(state,
              2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k));
}

// The first layer of the region head on 1024 regions, and a square for comparison with libraries.
BENCHMARK_CAPTURE(cuda_gemm, forward, false, true)
    ->Args({1024, 1024, 12544})
    ->Args({4096, 4096, 4096})
    ->Iterations(kIterations)
    ->UseManualTime();
BENCHMARK_CAPTURE(cuda_gemm, data, false, false)
    ->Args({1024, 12544, 1024})
    ->Iterations(kIterations)
    ->UseManualTime();
BENCHMARK_CAPTURE(cuda_gemm, weights, true, false)
    ->Args({1024, 12544, 1024})
    ->Iterations(kIterations)
    ->UseManualTime();

const bool kRegistered = [] {
  using Benchmark = void (*)(benchmark::State&, const Layer&);
  const std::pair<const char*, Benchmark> passes[] = {
      {"cuda_conv2d_forward/", cuda_conv2d_forward},
      {"cuda_conv2d_backward_data/", cuda_conv2d_backward_data},
      {"cuda_conv2d_backward_weights/", cuda_conv2d_backward_weights}};
  for (const auto& [name, run] : passes)
    for (const Layer& layer : kLayers)
      benchmark::RegisterBenchmark(
          (std::string(name) + layer.name).c_str(),
          [run = run, &layer](benchmark::State& state) { run(state, layer); })
          ->Iterations(kIterations)
          ->UseManualTime();
  return true;
}();

}  // namespace
}  // namespace ktrain::bench
