// How CUDA kernels are timed: by the GPU's own clock, with a cold cache, as a share of what the
// same GPU copies in a second.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/device/memory.h"
#include "kernels/device/stream.h"
#include "kernels/device/timer.h"
#include "kernels/elementwise.h"

namespace ktrain::bench {

inline std::vector<float> random_values(std::int64_t size, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> draw(-1, 1);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) value = draw(engine);
  return values;
}

// A launch takes microseconds and evicting the cache before it a tenth of a millisecond: left alone
// the library would repeat short kernels a hundred thousand times.
constexpr std::int64_t kIterations = 300;

class CudaBench {
 public:
  [[nodiscard]] CudaStream stream() const { return stream_.get(); }
  [[nodiscard]] DeviceBuffer<float> random(std::int64_t size, unsigned seed = 1) const {
    return {stream(), random_values(size, seed)};
  }

  // The seconds that `work` takes on the GPU when none of its data is in the cache: a training step
  // never finds its inputs there either.
  template <class Work>
  double cold_seconds(Work&& work) {
    cuda::fill(stream(), evicted_.span(), 1.0);
    timer_.start(stream());
    work();
    timer_.stop(stream());
    return timer_.seconds();
  }

  // Runs the benchmark. `bytes` are what the kernel must read and write at least, once.
  template <class Work>
  void run(benchmark::State& state, std::int64_t bytes, Work&& work) {
    work();  // the first launch loads the kernel
    for (auto _ : state) state.SetIterationTime(cold_seconds(work));
    state.SetBytesProcessed(state.iterations() * bytes);
    state.counters["of_copy"] = benchmark::Counter(
        static_cast<double>(state.iterations() * bytes) / copy_bytes_per_second(),
        benchmark::Counter::kIsRate);
  }

  // Bytes read plus written in a second by copying 512 MiB, the best of 20.
  static double copy_bytes_per_second();

 private:
  // Larger than any cache: the H100 has 50 MB.
  static constexpr std::int64_t kEvict = 64 << 20;
  Stream stream_;
  GpuTimer timer_;
  DeviceBuffer<float> evicted_{kEvict};
};

}  // namespace ktrain::bench
