// The spans are cut into chunks of 16384 elements, one block each, whatever span they belong to: a
// model's hundreds of gradients take a launch per kSpansAtOnce, each element is read once. Then one
// block adds the chunks' sums.
#include "kernels/clip.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/vector_io.cuh"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kChunk = kClipChunk;
constexpr int kSpansAtOnce = 128;  // a kernel's arguments fit into 4 KiB

struct Batch {
  const float* data[kSpansAtOnce];
  std::int64_t size[kSpansAtOnce];
  std::int32_t first[kSpansAtOnce + 1];  // chunk of the batch that a span begins with
  std::uint64_t aligned[kSpansAtOnce / 64];
  int count;
};

__device__ double squares(const float4& q) {
  const double x = static_cast<double>(q.x), y = static_cast<double>(q.y);
  const double z = static_cast<double>(q.z), w = static_cast<double>(q.w);
  return (x * x + y * y) + (z * z + w * w);
}

__global__ void __launch_bounds__(kThreads)
    chunk_kernel(const __grid_constant__ Batch batch, double* partials) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct ChunkScratch>();
  const auto chunk = static_cast<std::int32_t>(blockIdx.x);
  int low = 0, high = batch.count;  // the last span that begins at this chunk or before it
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (batch.first[middle] <= chunk)
      low = middle;
    else
      high = middle;
  }
  const std::int64_t begin = std::int64_t{chunk - batch.first[low]} * kChunk;
  const std::int64_t left = batch.size[low] - begin, count = left < kChunk ? left : kChunk;
  const float* const x = batch.data[low] + begin;
  const bool aligned = (batch.aligned[low / 64] >> (low % 64) & 1) != 0;
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

// The next spans from `k` on that have elements; returns where it stopped.
std::int64_t fill(Batch& batch, Span<const Span<const float>> gradients, std::int64_t k) {
  batch = {};
  for (; k < gradients.size && batch.count < kSpansAtOnce; ++k) {
    const Span<const float> x = gradients[k];
    if (x.empty()) continue;
    const int at = batch.count++;
    batch.data[at] = x.data;
    batch.size[at] = x.size;
    batch.first[at + 1] = batch.first[at] + static_cast<std::int32_t>(num_blocks(x.size, kChunk));
    if (aligned_for_quads(x.data)) batch.aligned[at / 64] |= std::uint64_t{1} << (at % 64);
  }
  return k;
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
  Batch batch;
  for (std::int64_t k = 0; k < gradients.size;) {
    k = fill(batch, gradients, k);
    const std::int64_t chunks = batch.first[batch.count];
    if (chunks == 0) continue;
    launch("clip_factor", chunk_kernel, chunks, kThreads, stream, batch, partials.data + done);
    done += chunks;
  }
  launch("clip_factor", finish_kernel, 1, kThreads, stream, partials.data, done, max_norm,
         norm.data, factor.data);
}

}  // namespace ktrain::cuda
