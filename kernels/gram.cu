// Every vector is read once. A block stages some elements of all vectors in shared memory, where it
// makes the remainder and the preconditioner of each element; then every warp takes a tile of 4x4
// products, so that a number loaded from shared memory enters four of them. Half a warp takes the
// plain products, the other half the weighted ones of the same elements, whose loads they share. A
// lane adds 16 products in float, fused (fma), then in double. Blocks are small enough for several
// on an SM, so that some read while others multiply. Not timed yet.
#include "kernels/gram.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/device/gram_runs.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/mixed.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

constexpr int kSide = kGramSide;
constexpr int kInFloat = 4;  // quads whose products a lane adds in float
constexpr int kMixThreads = 256;

// How a block works on up to 4 * kGroups vectors.
template <int kGroups, bool kWeighted>
struct Shape {
  static constexpr int kVectors = kSide * kGroups;
  static constexpr int kTiles = kGroups * (kGroups + 1) / 2;
  static constexpr int kSlices = gram_slices(kGroups);
  static constexpr int kThreads = kTiles * kSlices * kWarpSize;
  static constexpr int kElements = gram_staged(kGroups);
  static constexpr int kLanes = kWeighted ? 16 : 32;  // that share a tile's elements
  static constexpr int kQuads = 512 / (kLanes * 4);   // of a lane
};

struct Preconditioner {
  const float* v;
  float root, eps;
};

// What of the vectors a block holds at a time. Elements behind the end are 0.
template <int kGroups, bool kWeighted>
__device__ void stage(const MixedVectors& vectors, const Preconditioner& moment, std::int64_t begin,
                      std::int64_t size, float* y, float* p) {
  using S = Shape<kGroups, kWeighted>;
#pragma unroll 1
  for (int e = static_cast<int>(threadIdx.x); e < S::kElements; e += S::kThreads) {
    const std::int64_t at = begin + e;
    float x[S::kVectors];
#pragma unroll
    for (int k = 0; k < S::kVectors; ++k)
      x[k] = at < size && vectors.data[k] ? vectors.data[k][at] : 0.0f;
#pragma unroll
    for (int k = 0; k < S::kVectors; ++k) y[k * S::kElements + e] = x[k];
    if (const int r = vectors.remainder; r >= 0 && at < size) {
      float left = vectors.data[r] ? vectors.data[r][at] : 0.0f;  // x[r] without an index into x
#pragma unroll
      for (int k = 0; k < S::kVectors; ++k)
        if (k != r && vectors.data[k]) left -= vectors.mix[k] * x[k];
      y[r * S::kElements + e] = left * vectors.scale;
    }
    if constexpr (kWeighted)
      p[e] = at < size ? 1.0f / (sqrtf(moment.v[at]) / moment.root + moment.eps) : 0.0f;
  }
}

__device__ float4 quad_at(const float* p) { return *reinterpret_cast<const float4*>(p); }

__device__ float4 times(const float4& a, const float4& b) {
  return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}

__device__ void add_product(float& sum, const float4& a, const float4& b) {
  sum = fmaf(a.x, b.x, sum);
  sum = fmaf(a.y, b.y, sum);
  sum = fmaf(a.z, b.z, sum);
  sum = fmaf(a.w, b.w, sum);
}

// Where a lane's products lie.
struct Place {
  int rows, cols;  // groups of vectors
  int slice, lane;
  bool weighted;

  template <class S>
  __device__ static Place of(S /*shape*/) {
    const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    Place at{warp / S::kSlices, 0, warp % S::kSlices, lane % S::kLanes, lane >= S::kLanes};
    for (; at.rows > at.cols; ++at.cols) at.rows -= at.cols + 1;  // (0,0) (0,1) (1,1) (0,2) ...
    return at;
  }
};

// Adds the staged elements' products to the lane's 4x4 sums.
template <class S>
__device__ void add_tile(const float* y, const float* p, const Place& at,
                         double (&total)[kSide * kSide]) {
  const float* const a = y + at.rows * kSide * S::kElements;
  const float* const b = y + at.cols * kSide * S::kElements;
#pragma unroll 1
  for (int first = 0; first < S::kQuads; first += kInFloat) {
    float sum[kSide * kSide] = {};
#pragma unroll 1
    for (int q = first; q < first + kInFloat; ++q) {
      const int e = ((q * S::kSlices + at.slice) * S::kLanes + at.lane) * 4;
      const float4 w = at.weighted ? quad_at(p + e) : make_float4(1, 1, 1, 1);
      float4 left[kSide];
#pragma unroll
      for (int i = 0; i < kSide; ++i) left[i] = times(w, quad_at(a + i * S::kElements + e));
#pragma unroll
      for (int j = 0; j < kSide; ++j) {
        const float4 right = quad_at(b + j * S::kElements + e);
#pragma unroll
        for (int i = 0; i < kSide; ++i) add_product(sum[i * kSide + j], left[i], right);
      }
    }
#pragma unroll
    for (int c = 0; c < kSide * kSide; ++c) total[c] += static_cast<double>(sum[c]);
  }
}

// Lanes that differ in bit kHalf pass each other one half of what they still hold, then the next
// lower bit does.
template <int kHalf>
__device__ __forceinline__ void deal(double (&total)[kSide * kSide], int lane) {
  const bool upper = (lane & kHalf) != 0;
#pragma unroll
  for (int c = 0; c < kHalf; ++c) {
    const double other = upper ? total[c] : total[c + kHalf];
    const double own = upper ? total[c + kHalf] : total[c];
    total[c] = own + __shfl_xor_sync(kAllLanes, other, kHalf);
  }
  if constexpr (kHalf > 1) deal<kHalf / 2>(total, lane);
}

// Of 16 sums that every lane has, lane l gets the sum over its group of lanes of number l % 16: 15
// exchanges instead of 64.
template <int kLanes>
__device__ double deal_sums(double (&total)[kSide * kSide], int lane) {
  deal<kSide * kSide / 2>(total, lane);
  if constexpr (kLanes == 32) total[0] += __shfl_xor_sync(kAllLanes, total[0], 16);
  return total[0];
}

// partials: (plain, weighted) x products x (runs x slices).
template <int kGroups, bool kWeighted>
__global__ void __launch_bounds__((Shape<kGroups, kWeighted>::kThreads))
    gram_kernel(const __grid_constant__ MixedVectors vectors, Preconditioner moment,
                std::int64_t size, std::int64_t run, double* partials) {
  using S = Shape<kGroups, kWeighted>;
  float* const y = shared_array<float, S::kVectors * S::kElements, struct Staged>();
  float *const p = shared_array < float, kWeighted ? S::kElements : 4, struct StagedWeights > ();
  const Place at = Place::of(S{});
  const std::int64_t begin = std::int64_t{blockIdx.x} * run;
  const std::int64_t end = begin + run < size ? begin + run : size;
  double total[kSide * kSide] = {};
  for (std::int64_t first = begin; first < end; first += S::kElements) {
    stage<kGroups, kWeighted>(vectors, moment, first, size, y, p);
    __syncthreads();
    add_tile<S>(y, p, at, total);
    __syncthreads();
  }
  const double sum = deal_sums<S::kLanes>(total, at.lane);
  const int i = at.rows * kSide + at.lane % 16 / kSide, j = at.cols * kSide + at.lane % kSide;
  if (i > j || j >= vectors.count || at.lane >= 16) return;
  const int products = vectors.count * (vectors.count + 1) / 2;
  const int product = i * vectors.count - i * (i - 1) / 2 + j - i + (at.weighted ? products : 0);
  partials[(std::int64_t{product} * gridDim.x + blockIdx.x) * S::kSlices + at.slice] = sum;
}

// Block b adds the runs of product b.
__global__ void __launch_bounds__(kMixThreads)
    finish_kernel(const double* partials, std::int64_t runs, std::int64_t products, double* raw,
                  double* preconditioned) {
  double* const scratch = shared_array<double, kMixThreads / kWarpSize, struct FinishScratch>();
  const std::int64_t product = blockIdx.x;
  double total = 0;
  for (std::int64_t r = threadIdx.x; r < runs; r += kMixThreads)
    total += partials[product * runs + r];
  total = block_reduce<kMixThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x != 0) return;
  if (product < products)
    raw[product] = total;
  else
    preconditioned[product - products] = total;
}

__global__ void __launch_bounds__(kMixThreads)
    mixed_kernel(const __grid_constant__ MixedVectors vectors, int k, std::int64_t begin,
                 std::int64_t size, float* out) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kMixThreads + threadIdx.x;
  if (i >= size) return;
  const float* const x = vectors.data[k];
  out[i] = k == vectors.remainder ? vectors.left_over(begin + i) : x ? x[begin + i] : 0.0f;
}

template <int kGroups, bool kWeighted>
void launch_gram(CudaStream stream, const MixedVectors& vectors, const Preconditioner& moment,
                 std::int64_t size, const GramRuns& runs, double* partials) {
  launch("gram", gram_kernel<kGroups, kWeighted>, runs.count, Shape<kGroups, kWeighted>::kThreads,
         stream, vectors, moment, size, runs.run, partials);
}

template <bool kWeighted>
void launch_groups(CudaStream stream, const MixedVectors& vectors, const Preconditioner& moment,
                   std::int64_t size, const GramRuns& runs, double* partials) {
  const auto start = runs.groups == 1   ? launch_gram<1, kWeighted>
                     : runs.groups == 2 ? launch_gram<2, kWeighted>
                     : runs.groups == 3 ? launch_gram<3, kWeighted>
                                        : launch_gram<4, kWeighted>;
  start(stream, vectors, moment, size, runs, partials);
}

std::int64_t triangle(std::int64_t k) { return k * (k + 1) / 2; }

}  // namespace

void gram(CudaStream stream, Span<const Span<const float>> vectors, const Remainder& remainder,
          const SecondMoment<float>& moment, Span<double> raw, Span<double> preconditioned,
          Span<std::byte> scratch) {
  const MixedVectors mixed = mixed_vectors("gram", vectors, remainder);
  const std::int64_t size = cpu::common_size(vectors), products = triangle(vectors.size);
  const bool weighted = !moment.v.empty();
  KT_CHECK(raw.size == products && (!weighted || preconditioned.size == products),
           "gram: {} vectors have {} products, room for {} and {}", vectors.size, products,
           raw.size, preconditioned.size);
  KT_CHECK(!weighted || size == 0 || moment.v.size == size, "gram: {} elements, {} second moments",
           size, moment.v.size);
  if (products == 0) return;
  const GramRuns runs(vectors.size, size);
  Scratch carver(scratch);
  const Span<double> partials = carver.take<double>(runs.partials() * 2 * products);
  const Preconditioner p{moment.v.data, static_cast<float>(moment.root_scale),
                         static_cast<float>(moment.eps)};
  if (size > 0 && weighted)
    launch_groups<true>(stream, mixed, p, size, runs, partials.data);
  else if (size > 0)
    launch_groups<false>(stream, mixed, p, size, runs, partials.data);
  launch("gram", finish_kernel, weighted ? 2 * products : products, kMixThreads, stream,
         partials.data, runs.partials(), products, raw.data, preconditioned.data);
}

void mixed_elements(CudaStream stream, Span<const Span<const float>> vectors,
                    const Remainder& remainder, std::int64_t k, std::int64_t begin,
                    Span<float> out) {
  const MixedVectors mixed = mixed_vectors("mixed_elements", vectors, remainder);
  KT_CHECK(k >= 0 && k < vectors.size, "mixed_elements: vector {} of {}", k, vectors.size);
  const std::int64_t size = cpu::common_size<float>(vectors);
  KT_CHECK(begin >= 0 && (size == 0 || begin + out.size <= size),
           "mixed_elements: elements {} to {} of {}", begin, begin + out.size, size);
  if (out.empty()) return;
  launch("mixed_elements", mixed_kernel, num_blocks(out.size, kMixThreads), kMixThreads, stream,
         mixed, k, begin, out.size, out.data);
}

}  // namespace ktrain::cuda
