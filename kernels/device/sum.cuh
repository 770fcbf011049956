// One sum over many indices, in double: every block adds a run of them, then one block adds the
// runs. The order depends on their number alone.
#pragma once

#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/sum_runs.h"

namespace ktrain::cuda {

constexpr int kSumThreads = 256;

template <class Term>
__global__ void __launch_bounds__(kSumThreads)
    sum_runs_kernel(Term term, std::int64_t size, std::int64_t run, double* partials) {
  double* const scratch = shared_array<double, kSumThreads / kWarpSize, struct SumScratch>();
  const std::int64_t begin = std::int64_t{blockIdx.x} * run;
  const std::int64_t end = begin + run < size ? begin + run : size;
  double total = 0;
#pragma unroll 4
  for (std::int64_t i = begin + threadIdx.x; i < end; i += kSumThreads) total += term(i);
  total = block_reduce<kSumThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

template <class Finish>
__global__ void __launch_bounds__(kSumThreads)
    finish_sum_kernel(const double* partials, std::int64_t count, Finish finish) {
  double* const scratch = shared_array<double, kSumThreads / kWarpSize, struct FinishSumScratch>();
  double total = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kSumThreads) total += partials[i];
  total = block_reduce<kSumThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x == 0) finish(total);
}

// One thread calls finish(sum of term(i) for i in [0, size)). `scratch` has
// sum_scratch_bytes(size).
template <class Term, class Finish>
void sum_terms(const char* name, CudaStream stream, std::int64_t size, Term term, Finish finish,
               Span<std::byte> scratch) {
  Scratch carver(scratch);
  const std::int64_t runs = sum_runs(size);
  const Span<double> partials = carver.take<double>(runs);
  if (runs > 0)
    launch(name, sum_runs_kernel<Term>, runs, kSumThreads, stream, term, size, sum_run(size),
           partials.data);
  launch(name, finish_sum_kernel<Finish>, 1, kSumThreads, stream, partials.data, runs, finish);
}

// max(factor, 1) that keeps a NaN, as fmaxf would not.
__device__ __forceinline__ float averaging(const float* avg_factor) {
  return avg_factor[0] < 1.0f ? 1.0f : avg_factor[0];
}

// loss[0] = total / max(avg_factor[0], 1)
struct AverageLoss {
  const float* avg_factor;
  float* loss;
  __device__ void operator()(double total) const {
    loss[0] = static_cast<float>(total / static_cast<double>(averaging(avg_factor)));
  }
};

}  // namespace ktrain::cuda
