// Buckets are added up in whole numbers, whose sums are the same in any order: within a segment of
// 32768 elements each is written as hi * 2^(e-16) + lo * 2^(e-32), 2^e above the largest of them,
// and `hi` and `lo` are added with integer atomics in shared memory. That is exact to 2^-33 of 2^e
// by element, where a float sum is exact to 2^-25 of itself at each step. Segments' sums are
// floats, added in order.
//
//   1. the remainder, if any, is written out; then all vectors are plain streams
//   2. largest_kernel: the largest element of every segment
//   3. sketch_kernel: a block per vector, range of 4096 buckets and split of the segments. It reads
//      all elements of its split and keeps those whose bucket lies in its range
//   4. with more than one split, finish_kernel adds them to `out`
// A vector is read 1 + ranges times, and an element whose bucket is another range's costs its hash
// each time: with many buckets integer work may bound the kernel rather than memory. Not timed yet.
#include "kernels/count_sketch.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/mixed.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/sketch_pieces.h"
#include "kernels/device/vector_io.cuh"
#include "kernels/host_device.h"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kBits = 16;  // of hi and of lo: a segment of them fits into 32 bits
constexpr float kUnit = 1 << kBits;

// The vectors that are sketched, and their rows of `out`.
struct Streams {
  const float* data[kGramVectors];
  std::int32_t row[kGramVectors];
  bool aligned;  // all of them
  int count;
  std::int64_t size;
};

__device__ unsigned finite_bits(float x) {
  const unsigned bits = __float_as_uint(x) & 0x7fffffffu;
  return bits < 0x7f800000u ? bits : 0;
}

// Block (k, segment): largest[k * segments + segment] = the bits of the largest finite |y|.
__global__ void __launch_bounds__(kThreads)
    largest_kernel(const __grid_constant__ Streams streams, std::int64_t segments,
                   std::uint32_t* largest) {
  unsigned* const scratch = shared_array<unsigned, kThreads / kWarpSize, struct LargestScratch>();
  const auto k = static_cast<int>(blockIdx.x / segments);
  const std::int64_t begin = blockIdx.x % segments * kSketchSegment;
  const std::int64_t left = streams.size - begin,
                     count = left < kSketchSegment ? left : kSketchSegment;
  const float* const x = streams.data[k] + begin;
  unsigned most = 0;
#pragma unroll 4
  for (std::int64_t i = threadIdx.x * 4; i < count; i += kThreads * 4) {
    const float4 q = load_quad(x + i, streams.aligned, count - i);
    const Larger larger;
    most = larger(most, larger(larger(finite_bits(q.x), finite_bits(q.y)),
                               larger(finite_bits(q.z), finite_bits(q.w))));
  }
  most = block_reduce<kThreads>(most, Larger{}, 0u, scratch);
  if (threadIdx.x == 0) largest[blockIdx.x] = most;
}

// The sums of a range of buckets while a segment is read.
struct Sums {
  int* hi;
  unsigned* lo;
  unsigned* broken;  // how many are infinite or NaN, two buckets by word

  __device__ void add(std::uint32_t bucket, float y, float scale) const {
    if (!(fabsf(y) < INFINITY)) {
      atomicAdd(&broken[bucket / 2], bucket % 2 == 0 ? 1u : 1u << 16);
      return;
    }
    const float a = y * scale, whole = floorf(a);
    atomicAdd(&hi[bucket], static_cast<int>(whole));
    atomicAdd(&lo[bucket], static_cast<unsigned>(rintf((a - whole) * kUnit)));
  }
  __device__ void clear(std::int64_t word) const {
    hi[2 * word] = hi[2 * word + 1] = 0;
    lo[2 * word] = lo[2 * word + 1] = broken[word] = 0;
  }
  // Of one bucket; `unit` is what lo counts.
  [[nodiscard]] __device__ float value(std::int64_t bucket, double unit) const {
    if ((broken[bucket / 2] >> (bucket % 2 * 16) & 0xffffu) != 0) return NAN;
    const double parts = static_cast<double>(hi[bucket]) * static_cast<double>(kUnit) +
                         static_cast<double>(lo[bucket]);
    return static_cast<float>(parts * unit);
  }
};

// A block's vector, buckets and where their sums go.
struct Part {
  const float* x;
  std::uint32_t base;  // the first bucket
  std::int64_t size;   // of the vector
  bool aligned;
};

__device__ void add_segment(const Sums& sums, const Part& part, const SketchPlan& plan,
                            std::int64_t begin, float scale) {
  const std::int64_t left = part.size - begin,
                     count = left < kSketchSegment ? left : kSketchSegment;
  const float* const x = part.x + begin;
  const auto mask = static_cast<std::uint32_t>(plan.buckets - 1);
  const std::uint32_t first = plan.first + static_cast<std::uint32_t>(begin) + plan.key;
#pragma unroll 2
  for (std::int64_t i = threadIdx.x * 4; i < count; i += kThreads * 4) {
    const float4 q = load_quad(x + i, part.aligned, count - i);
    const float y[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      // The highest bit is the sign, the lowest are the bucket.
      const std::uint32_t hash = sketch_bits(first + static_cast<std::uint32_t>(i + j), plan.key);
      const std::uint32_t bucket = (hash & mask) - part.base;
      if (bucket < static_cast<std::uint32_t>(plan.range) && i + j < count)
        sums.add(bucket, (hash >> 31) != 0 ? -y[j] : y[j], scale);
    }
  }
}

// Block (k, range, split). `to` is out itself, to be added to, or partials x vectors x buckets.
__global__ void __launch_bounds__(kThreads)
    sketch_kernel(const __grid_constant__ Streams streams, const __grid_constant__ SketchPlan plan,
                  const std::uint32_t* largest, float* to) {
  const Sums sums{shared_array<int, kSketchRange, struct High>(),
                  shared_array<unsigned, kSketchRange, struct Low>(),
                  shared_array<unsigned, kSketchRange / 2, struct Broken>()};
  const std::int64_t split = blockIdx.x % plan.splits, rest = blockIdx.x / plan.splits;
  const std::int64_t base = rest % plan.ranges * plan.range;
  const auto k = static_cast<int>(rest / plan.ranges);
  const Part part{streams.data[k], static_cast<std::uint32_t>(base), streams.size, streams.aligned};
  const bool direct = plan.splits == 1;
  const std::int64_t row = direct ? streams.row[k] : split * streams.count + k;
  float* const out = to + row * plan.buckets + base;
  for (std::int64_t w = threadIdx.x; w < kSketchRange / 2; w += kThreads) sums.clear(w);
  const std::int64_t begin = plan.begin(split), end = plan.begin(split + 1);
  for (std::int64_t segment = begin; segment < end; ++segment) {
    __syncthreads();
    // |y| < 2^e
    const int e =
        max(static_cast<int>(largest[k * plan.segments + segment] >> 23) - 126, kBits - 126);
    add_segment(sums, part, plan, segment * kSketchSegment, ldexpf(1.0f, kBits - e));
    __syncthreads();
    const double unit = ldexp(1.0, e - 2 * kBits);
    for (std::int64_t w = threadIdx.x; 2 * w < plan.range; w += kThreads) {
      for (std::int64_t b = 2 * w; b < 2 * w + 2 && b < plan.range; ++b) {
        const float value = sums.value(b, unit);
        out[b] = direct || segment > begin ? out[b] + value : value;
      }
      sums.clear(w);
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    finish_kernel(const __grid_constant__ Streams streams, std::int64_t buckets,
                  std::int64_t splits, const float* partials, float* out) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const std::int64_t all = streams.count * buckets;
  if (i >= all) return;
  double total = 0;
#pragma unroll 4
  for (std::int64_t s = 0; s < splits; ++s) total += static_cast<double>(partials[s * all + i]);
  out[streams.row[i / buckets] * buckets + i % buckets] += static_cast<float>(total);
}

__global__ void __launch_bounds__(kThreads)
    identity_kernel(const __grid_constant__ Streams streams, std::int64_t offset, std::int64_t cols,
                    float* out) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= streams.count * streams.size) return;
  const std::int64_t k = i / streams.size, e = i % streams.size;
  out[streams.row[k] * cols + offset + e] += streams.data[k][e];
}

void check_sizes(std::int64_t vectors, std::int64_t size, const SketchHash& hash,
                 std::int64_t offset, Rows<float> out) {
  KT_CHECK(out.rows == vectors, "count_sketch: {} vectors, {} rows", vectors, out.rows);
  KT_CHECK(offset >= 0 && offset + size <= std::int64_t{1} << 32,
           "count_sketch: elements {} to {} of a vector", offset, offset + size);
  if (hash.identity)
    KT_CHECK(offset + size <= out.cols, "count_sketch: {} places, {} columns", offset + size,
             out.cols);
  else
    KT_CHECK(out.cols > 0 && out.cols <= 1 << 30 && (out.cols & (out.cols - 1)) == 0,
             "count_sketch: {} buckets, wanted a power of two", out.cols);
}

Streams make_streams(Span<const Span<const float>> vectors, const Remainder& remainder,
                     Span<float> rest) {
  Streams streams{};
  streams.aligned = true;
  streams.size = cpu::common_size(vectors);
  for (std::int64_t k = 0; k < vectors.size; ++k) {
    const float* const x = k == remainder.index ? rest.data : vectors[k].data;
    if (vectors[k].empty() && k != remainder.index) continue;
    streams.data[streams.count] = x;
    streams.row[streams.count++] = static_cast<std::int32_t>(k);
    streams.aligned = streams.aligned && aligned_for_quads(x);
  }
  return streams;
}

}  // namespace

void count_sketch(CudaStream stream, Span<const Span<const float>> vectors,
                  const Remainder& remainder, const SketchHash& hash, std::int64_t offset,
                  Rows<float> out, Span<std::byte> scratch) {
  (void)mixed_vectors("count_sketch", vectors, remainder);  // checks
  const std::int64_t size = cpu::common_size(vectors);
  check_sizes(vectors.size, size, hash, offset, out);
  if (size == 0) return;
  Scratch carver(scratch);
  SketchPieces pieces(carver, vectors, remainder, hash, out.cols);
  if (remainder.index >= 0)
    mixed_elements(stream, vectors, remainder, remainder.index, 0, pieces.rest);
  const Streams streams = make_streams(vectors, remainder, pieces.rest);
  if (hash.identity) {
    launch("count_sketch", identity_kernel, num_blocks(streams.count * size, kThreads), kThreads,
           stream, streams, offset, out.cols, out.data);
    return;
  }
  SketchPlan& plan = pieces.plan;
  plan.first = static_cast<std::uint32_t>(offset);
  plan.key = sketch_key(hash.seed);
  launch("count_sketch", largest_kernel, streams.count * plan.segments, kThreads, stream, streams,
         plan.segments, pieces.largest.data);
  const bool direct = plan.splits == 1;
  launch("count_sketch", sketch_kernel, streams.count * plan.ranges * plan.splits, kThreads, stream,
         streams, plan, pieces.largest.data, direct ? out.data : pieces.partials.data);
  if (direct) return;
  launch("count_sketch", finish_kernel, num_blocks(streams.count * out.cols, kThreads), kThreads,
         stream, streams, out.cols, plan.splits, pieces.partials.data, out.data);
}

}  // namespace ktrain::cuda
