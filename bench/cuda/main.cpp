// kt_bench_cuda: times the CUDA kernels. Without a GPU it says so and ends with 77.
#include <algorithm>
#include <cstdio>
#include <exception>

#include "bench/cuda/cuda_bench.h"
#include "kernels/gpu.h"

namespace ktrain::bench {

double CudaBench::copy_bytes_per_second() {
  static const double rate = [] {
    constexpr std::int64_t kSize = 128 << 20;
    CudaBench bench;
    const DeviceBuffer<float> from(kSize), to(kSize);
    poison_device(bench.stream(), from.data(), kSize * std::int64_t{sizeof(float)});
    double best = 1e30;
    for (int run = 0; run < 20; ++run)
      best = std::min(best, bench.cold_seconds(
                                [&] { cuda::copy(bench.stream(), from.const_span(), to.span()); }));
    return 2.0 * static_cast<double>(kSize) * sizeof(float) / best;
  }();
  return rate;
}

}  // namespace ktrain::bench

int main(int argc, char** argv) try {
  const ktrain::GpuQuery found = ktrain::find_gpu();
  if (!found.gpu) {
    std::printf("SKIPPED: no GPU: %s\n", found.reason.c_str());
    return 77;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  benchmark::AddCustomContext("gpu", found.gpu->name);
  benchmark::AddCustomContext(
      "copy", fmt::format("{:.0f} GB/s read + written",
                          ktrain::bench::CudaBench::copy_bytes_per_second() * 1e-9));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "kt_bench_cuda: %s\n", error.what());
  return 1;
}
