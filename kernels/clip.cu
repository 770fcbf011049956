// The spans are cut into chunks of 16384 elements, one block each, whatever span they belong to: a
// model's hundreds of gradients take a launch per kSpansAtOnce, each element is read once. Then one
// block adds the chunks' sums.
#include "kernels/clip.h"

#include "kernels/check.h"
#include "kernels/device/array_list.cuh"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kChunk = kClipChunk;
constexpr int kSpansAtOnce = 128;

using Batch = ArrayList<1, kSpansAtOnce>;

__device__ double squares(const float4& q) {
  const double x = static_cast<double>(q.x), y = static_cast<double>(q.y);
  const double z = static_cast<double>(q.z), w = static_cast<double>(q.w);
  return (x * x + y * y) + (z * z + w * w);
}

__global__ void __launch_bounds__(kThreads)
    chunk_kernel(const __grid_constant__ Batch batch, double* partials) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct ChunkScratch>();
  const auto chunk = static_cast<std::int32_t>(blockIdx.x);
  const int entry = batch.entry_of(chunk);
  const std::int64_t begin = std::int64_t{chunk - batch.first[entry]} * kChunk;
  const std::int64_t left = batch.size[entry] - begin, count = left < kChunk ? left : kChunk;
  const float* const x = batch.data[0][entry] + begin;
  const bool aligned = batch.in_quads(entry);
  double total = 0;
#pragma unroll 4
  for (std::int64_t i = threadIdx.x * 4; i < count; i += kThreads * 4)
    total += squares(load_quad(x + i, aligned, count - i));
  total = block_reduce<kThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x == 0) partials[chunk] = total;
}

__global__ void __launch_bounds__(kThreads)
    finish_kernel(const double* partials, std::int64_t count, double max_norm, float* norm,
                  float* factor) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct FinishScratch>();
  double total = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) total += partials[i];
  total = block_reduce<kThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x != 0) return;
  const double root = sqrt(total), wanted = max_norm / (root + 1e-6);
  norm[0] = static_cast<float>(root);
  factor[0] = static_cast<float>(wanted > 1.0 ? 1.0 : wanted);  // a NaN stays one
}

}  // namespace

void clip_factor(CudaStream stream, Span<const Span<const float>> gradients, Span<float> norm,
                 Span<float> factor, Span<std::byte> scratch, double max_norm) {
  KT_CHECK(norm.size == 1 && factor.size == 1,
           "clip_factor: norm has {} elements, factor {}, 1 wanted", norm.size, factor.size);
  KT_CHECK(max_norm > 0, "clip_factor: max_norm is {}", max_norm);
  Scratch carver(scratch);
  const Span<double> partials = carver.take<double>(clip_chunks(gradients));
  std::int64_t done = 0;
  for_lists<Batch>(
      gradients.size,
      [&](Batch& batch, std::int64_t k) {
        // A list is of pointers that may be written to; this kernel only reads.
        batch.add(gradients[k].size, kChunk, 0, {const_cast<float*>(gradients[k].data)});
      },
      [&](const Batch& batch) {
        launch("clip_factor", chunk_kernel, batch.chunks(), kThreads, stream, batch,
               partials.data + done);
        done += batch.chunks();
      });
  launch("clip_factor", finish_kernel, 1, kThreads, stream, partials.data, done, max_norm,
         norm.data, factor.data);
}

}  // namespace ktrain::cuda
