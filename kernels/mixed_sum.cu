// Each vector is read once, neighbouring elements by neighbouring lanes; those of which the
// remainder is made are found in the first cache when their turn comes. mixed_sum: a thread per
// element. change_products: a thread keeps all vectors' sums of its elements in double, a block
// adds those of a run, then a block per vector the runs.
#include "kernels/mixed_sum.h"

#include "kernels/checks/mixed_sum.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/mixed.cuh"
#include "kernels/device/reduce.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kVectors = kGramVectors;

struct Weights {
  float of[kGramVectors];
  const float* extra;  // null: none
  float extra_weight;
};

// `rest` is the remainder's.
__device__ __forceinline__ float element(const MixedVectors& vectors, int k, std::int64_t e,
                                         float rest) {
  if (k == vectors.remainder) return rest;
  return vectors.data[k] ? vectors.data[k][e] : 0.0f;
}
__device__ __forceinline__ float rest_of(const MixedVectors& vectors, std::int64_t e) {
  return vectors.remainder >= 0 ? vectors.left_over(e) : 0.0f;
}

__global__ void __launch_bounds__(kThreads)
    mixed_sum_kernel(const __grid_constant__ MixedVectors vectors,
                     const __grid_constant__ Weights weights, std::int64_t size, float* out) {
  const std::int64_t e = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (e >= size) return;
  const float rest = rest_of(vectors, e);
  float y = 0;
  for (int k = 0; k < vectors.count; ++k)
    if (weights.of[k] != 0.0f) y += weights.of[k] * element(vectors, k, e, rest);
  if (weights.extra) y += weights.extra_weight * weights.extra[e];
  out[e] = y;
}

__global__ void __launch_bounds__(kThreads)
    change_kernel(const __grid_constant__ MixedVectors vectors, const float* before,
                  const float* now, std::int64_t size, std::int64_t run, double* partials) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct ChangeScratch>();
  const std::int64_t begin = std::int64_t{blockIdx.x} * run;
  const std::int64_t end = begin + run < size ? begin + run : size;
  double total[kVectors] = {};
  for (std::int64_t e = begin + threadIdx.x; e < end; e += kThreads) {
    const float rest = rest_of(vectors, e);
    const double change = static_cast<double>(now[e]) - static_cast<double>(before[e]);
#pragma unroll
    for (int k = 0; k < kVectors; ++k)
      if (k < vectors.count) total[k] += static_cast<double>(element(vectors, k, e, rest)) * change;
  }
#pragma unroll
  for (int k = 0; k < kVectors; ++k) {
    if (k >= vectors.count) break;  // all threads alike
    const double sum = block_reduce<kThreads>(total[k], Add{}, 0.0, scratch);
    if (threadIdx.x == 0) partials[std::int64_t{k} * gridDim.x + blockIdx.x] = sum;
  }
}

__global__ void __launch_bounds__(kThreads)
    change_finish_kernel(const double* partials, std::int64_t runs, double* out) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct ChangeFinish>();
  double total = 0;
  for (std::int64_t r = threadIdx.x; r < runs; r += kThreads)
    total += partials[blockIdx.x * runs + r];
  total = block_reduce<kThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x == 0) out[blockIdx.x] = total;
}

}  // namespace

void mixed_sum(CudaStream stream, Span<const Span<const float>> vectors, const Remainder& remainder,
               const MixWeights<float>& mix, Span<float> out) {
  check_mixed_sum(vectors, remainder, mix, out);
  if (out.empty()) return;
  Weights weights{};
  for (std::int64_t k = 0; k < vectors.size; ++k)
    weights.of[k] = static_cast<float>(mix.weights[k]);
  if (mix.extra_weight != 0 && !mix.extra.empty()) weights.extra = mix.extra.data;
  weights.extra_weight = static_cast<float>(mix.extra_weight);
  launch("mixed_sum", mixed_sum_kernel, num_blocks(out.size, kThreads), kThreads, stream,
         mixed_vectors("mixed_sum", vectors, remainder), weights, out.size, out.data);
}

void change_products(CudaStream stream, Span<const Span<const float>> vectors,
                     const Remainder& remainder, Span<const float> before, Span<const float> now,
                     Span<double> out, Span<std::byte> scratch) {
  const char* const name = "change_products";
  check_change_products(vectors, remainder, before, now, out);
  if (out.empty()) return;
  const std::int64_t runs = sum_runs(now.size);
  Scratch carver(scratch);
  const Span<double> partials = carver.take<double>(vectors.size * runs);
  if (runs > 0)
    launch(name, change_kernel, runs, kThreads, stream, mixed_vectors(name, vectors, remainder),
           before.data, now.data, now.size, sum_run(now.size), partials.data);
  launch(name, change_finish_kernel, out.size, kThreads, stream, partials.data, runs, out.data);
}

}  // namespace ktrain::cuda
