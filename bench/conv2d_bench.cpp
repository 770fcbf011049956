// Convolutions of two R50-FPN streams at 640x512, batch 2: every distinct shape of one stream, the
// fusion and the RPN, forward (scale, shift, ReLU), data and weight gradients. `GF/s` counts the
// multiply-adds of the direct method whatever the engine does, so an engine that needs fewer may
// pass 100 % of `peak`, the share of the multiply-add peak measured in this process.
#include <cstdlib>
#include <new>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include "kernels/conv2d.h"
#include "kernels/fma_peak.h"
#include "kernels/profile.h"

namespace ktrain::bench {
namespace {

struct Layer {
  const char* name;
  std::int64_t height, width, channels, filters, taps, stride;
};

constexpr std::int64_t kBatch = 2;

constexpr Layer kLayers[] = {
    {"stem 7x7/2 3-64", 512, 640, 3, 64, 7, 2},
    {"C2 1x1 64-64", 128, 160, 64, 64, 1, 1},
    {"C2 1x1 256-64", 128, 160, 256, 64, 1, 1},
    {"C2 3x3 64", 128, 160, 64, 64, 3, 1},
    {"C2 1x1 64-256", 128, 160, 64, 256, 1, 1},
    {"C3 1x1 256-128", 128, 160, 256, 128, 1, 1},
    {"C3 3x3/2 128", 128, 160, 128, 128, 3, 2},
    {"C3 1x1/2 256-512", 128, 160, 256, 512, 1, 2},
    {"C3 1x1 512-128", 64, 80, 512, 128, 1, 1},
    {"C3 3x3 128", 64, 80, 128, 128, 3, 1},
    {"C3 1x1 128-512", 64, 80, 128, 512, 1, 1},
    {"C4 1x1 512-256", 64, 80, 512, 256, 1, 1},
    {"C4 3x3/2 256", 64, 80, 256, 256, 3, 2},
    {"C4 1x1/2 512-1024", 64, 80, 512, 1024, 1, 2},
    {"C4 1x1 1024-256", 32, 40, 1024, 256, 1, 1},
    {"C4 3x3 256", 32, 40, 256, 256, 3, 1},
    {"C4 1x1 256-1024", 32, 40, 256, 1024, 1, 1},
    {"C5 1x1 1024-512", 32, 40, 1024, 512, 1, 1},
    {"C5 3x3/2 512", 32, 40, 512, 512, 3, 2},
    {"C5 1x1/2 1024-2048", 32, 40, 1024, 2048, 1, 2},
    {"C5 1x1 2048-512", 16, 20, 2048, 512, 1, 1},
    {"C5 3x3 512", 16, 20, 512, 512, 3, 1},
    {"C5 1x1 512-2048", 16, 20, 512, 2048, 1, 1},
    {"lateral 1x1 256-256", 128, 160, 256, 256, 1, 1},
    {"lateral 1x1 2048-256", 16, 20, 2048, 256, 1, 1},
    {"P2 3x3 256", 128, 160, 256, 256, 3, 1},
    {"P3 3x3 256", 64, 80, 256, 256, 3, 1},
    {"P4 3x3 256", 32, 40, 256, 256, 3, 1},
    {"P5 3x3 256", 16, 20, 256, 256, 3, 1},
    {"P6 3x3 256", 8, 10, 256, 256, 3, 1},
    {"fusion 1x1 512-256 P2", 128, 160, 512, 256, 1, 1},
    {"fusion 1x1 512-256 P5", 16, 20, 512, 256, 1, 1},
    {"RPN 1x1 256-3 P2", 128, 160, 256, 3, 1, 1},
    {"RPN 1x1 256-12 P2", 128, 160, 256, 12, 1, 1},
};

double peak() {
  static const double measured = measure_fma_peak(20);
  return measured;
}

// Large pages, as the arena of a training step has: small ones cost a third of the speed.
template <class T>
struct LargePages {
  using value_type = T;
  static constexpr std::size_t kPage = std::size_t{2} << 20;

  LargePages() = default;
  template <class U>
  LargePages(const LargePages<U>&) {}
  T* allocate(std::size_t size) {
    const std::size_t bytes = (size * sizeof(T) + kPage - 1) / kPage * kPage;
    void* const memory = std::aligned_alloc(kPage, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { std::free(memory); }
  bool operator==(const LargePages&) const = default;
};
using Floats = std::vector<float, LargePages<float>>;

Floats draw(std::int64_t size) {
  std::mt19937 engine(static_cast<unsigned>(size));
  std::normal_distribution<float> normal;
  Floats values(static_cast<std::size_t>(size));
  for (float& value : values) value = normal(engine);
  return values;
}

Span<float> span(Floats& v) { return {v.data(), static_cast<std::int64_t>(v.size())}; }

struct Setup {
  Conv2dOptions options;
  Floats x_data, w_data, y_data, scale, shift, workspace;
  Nhwc<float> x, y;
  Krsc<float> w;

  Setup(const Layer& l, ConvEngine engine)
      : options{l.stride, l.taps / 2, true, engine}, scale(draw(l.filters)), shift(scale) {
    x = {nullptr, kBatch, l.height, l.width, l.channels};
    w = {nullptr, l.filters, l.taps, l.taps, l.channels};
    y = {nullptr, kBatch, conv2d_out_size(l.height, l.taps, options),
         conv2d_out_size(l.width, l.taps, options), l.filters};
    x_data = draw(x.size());
    w_data = draw(w.size());
    y_data = draw(y.size());
    x.data = x_data.data();
    w.data = w_data.data();
    y.data = y_data.data();
  }
  Conv2dEpilogue<float> epilogue() { return {span(scale), span(shift), {}}; }
  // Runs the pass as often as Google Benchmark asks, and reports its rate.
  template <class Work>
  void measure(benchmark::State& state, Work&& work) const {
    work();  // creates the primitives
    const double begin = monotonic_seconds();
    for (auto _ : state) work();
    const double seconds = monotonic_seconds() - begin;
    const double rate =
        conv2d_flops<float>(y, w) * static_cast<double>(state.iterations()) / seconds;
    state.counters["GF/s"] = rate * 1e-9;
    state.counters["peak"] = rate / peak();
  }
};

void forward(benchmark::State& state, const Layer& layer, ConvEngine engine) {
  Setup s(layer, engine);
  s.workspace.resize(static_cast<std::size_t>(
      cpu::conv2d_forward_workspace<float>(s.x, s.w, s.epilogue(), s.y, s.options)));
  s.measure(state, [&] {
    cpu::conv2d_forward<float>(s.x, s.w, s.epilogue(), span(s.workspace), s.y, s.options);
  });
}

void backward_data(benchmark::State& state, const Layer& layer, ConvEngine engine) {
  Setup s(layer, engine);
  s.workspace.resize(static_cast<std::size_t>(
      cpu::conv2d_backward_data_workspace<float>(s.y, s.w, span(s.scale), s.x, s.options)));
  s.measure(state, [&] {
    cpu::conv2d_backward_data<float>(s.y, s.w, span(s.scale), span(s.workspace), s.x, s.options);
  });
}

void backward_weights(benchmark::State& state, const Layer& layer, ConvEngine engine) {
  Setup s(layer, engine);
  Floats dw_data(s.w_data.size()), dscale(s.scale.size());
  const Krsc<float> dw{dw_data.data(), s.w.filters, s.w.rows, s.w.cols, s.w.channels};
  s.workspace.resize(static_cast<std::size_t>(
      cpu::conv2d_backward_weights_workspace<float>(s.x, s.y, dw, s.options)));
  s.measure(state, [&] {
    cpu::conv2d_backward_weights<float>(s.x, s.y, {s.w, span(s.scale)}, span(s.workspace), dw,
                                        span(dscale), s.options);
  });
}

const bool kRegistered = [] {
  using Pass = void (*)(benchmark::State&, const Layer&, ConvEngine);
  const std::pair<const char*, Pass> passes[] = {{"forward", forward},
                                                 {"backward_data", backward_data},
                                                 {"backward_weights", backward_weights}};
  const std::pair<const char*, ConvEngine> engines[] = {{"auto", ConvEngine::kAuto},
                                                        {"onednn", ConvEngine::kOneDnn}};
  for (const Layer& layer : kLayers)
    for (const auto& [engine_name, engine] : engines)
      for (const auto& [pass_name, pass] : passes) {
        const std::string name =
            std::string("conv2d/") + engine_name + "/" + pass_name + "/" + layer.name;
        benchmark::RegisterBenchmark(name.c_str(), pass, layer, engine)
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
  return true;
}();

}  // namespace
}  // namespace ktrain::bench
