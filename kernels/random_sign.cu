// A warp takes 4096 elements: each lane draws the words of 128 of them, then the lanes go over all
// 128s together, four neighbouring elements each, and hand each other the words. The sum: a block
// per run of 16384 elements, then one block for the runs.
#include "kernels/random_sign.h"

#include "kernels/checks/random_sign.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 128;
constexpr std::int64_t kPerDraw = 128;
constexpr std::int64_t kPerWarp = kPerDraw * kWarpSize;
static_assert(kSignRun == kPerWarp * kThreads / kWarpSize);

// `bits` of four elements: a set one is a minus.
__device__ __forceinline__ float4 with_signs(unsigned bits, const float4& x) {
  return make_float4((bits & 1u) != 0 ? -x.x : x.x, (bits & 2u) != 0 ? -x.y : x.y,
                     (bits & 4u) != 0 ? -x.z : x.z, (bits & 8u) != 0 ? -x.w : x.w);
}

// Where a draw comes from, without the size of what the step is read from.
struct Source {
  std::uint64_t seed;
  std::uint32_t stream;
  const std::int32_t* now;

  __device__ __forceinline__ RandomKey key() const {
    return {seed, stream, static_cast<std::uint32_t>(now[0])};
  }
};

Source source_of(const SignKey& key) { return {key.seed, key.stream, key.now.data}; }

// Calls body(i, bits) for the warp's share, i the first of a lane's four elements. Whole warps
// only.
template <class Body>
__device__ __forceinline__ void for_signs(const RandomKey& key, std::uint32_t map,
                                          std::int64_t size, Body&& body) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const std::int64_t first =
      std::int64_t{blockIdx.x} * kSignRun + std::int64_t{threadIdx.x} / kWarpSize * kPerWarp;
  const RandomWords own =
      random_words(key, map, static_cast<std::uint32_t>(first / kPerDraw + lane));
  for (int draw = 0; draw < kWarpSize && first + draw * kPerDraw < size; ++draw) {
    unsigned word = 0;
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      const unsigned other = __shfl_sync(kAllLanes, own.word[w], draw);
      if (lane / 8 == w) word = other;
    }
    const std::int64_t i = first + draw * kPerDraw + lane * 4;
    if (i < size) body(i, word >> (lane % 8 * 4));
  }
}

__global__ void __launch_bounds__(kThreads)
    sum_kernel(Source from, std::uint32_t map, const float* x, std::int64_t size, bool aligned,
               double* partials) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct SignScratch>();
  double total = 0;
  for_signs(from.key(), map, size, [&](std::int64_t i, unsigned bits) {
    const float4 q = with_signs(bits, load_quad(x + i, aligned, size - i));
    total += (static_cast<double>(q.x) + static_cast<double>(q.y)) +
             (static_cast<double>(q.z) + static_cast<double>(q.w));
  });
  total = block_reduce<kThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

__global__ void __launch_bounds__(kThreads)
    finish_kernel(const double* partials, std::int64_t runs, float scale, float* value) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct SignFinish>();
  double total = 0;
  for (std::int64_t r = threadIdx.x; r < runs; r += kThreads) total += partials[r];
  total = block_reduce<kThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x == 0) value[0] = scale * static_cast<float>(total);
}

__global__ void __launch_bounds__(kThreads)
    backward_kernel(Source from, std::uint32_t map, const float* dvalue, float scale,
                    std::int64_t size, bool aligned, float* dx) {
  const float v = scale * dvalue[0];
  for_signs(from.key(), map, size, [&](std::int64_t i, unsigned bits) {
    store_quad(dx + i, with_signs(bits, make_float4(v, v, v, v)), aligned, size - i);
  });
}

}  // namespace

void random_sign_sum(CudaStream stream, const SignKey& key, Span<const Span<const float>> maps,
                     Span<float> value, Span<std::byte> scratch, double scale) {
  check_random_sign_sum(key, maps, value);
  Scratch carver(scratch);
  const Span<double> partials = carver.take<double>(sign_runs(maps));
  std::int64_t done = 0;
  for (std::int64_t m = 0; m < maps.size; ++m) {
    const Span<const float> x = maps[m];
    if (x.empty()) continue;
    const std::int64_t runs = num_blocks(x.size, kSignRun);
    launch("random_sign_sum", sum_kernel, runs, kThreads, stream, source_of(key), m, x.data, x.size,
           aligned_for_quads(x.data), partials.data + done);
    done += runs;
  }
  launch("random_sign_sum", finish_kernel, 1, kThreads, stream, partials.data, done, scale,
         value.data);
}

void random_sign_backward(CudaStream stream, const SignKey& key, std::uint32_t map,
                          Span<const float> dvalue, Span<float> dx, double scale) {
  check_random_sign_backward(key, dvalue);
  if (dx.empty()) return;
  launch("random_sign_backward", backward_kernel, num_blocks(dx.size, kSignRun), kThreads, stream,
         source_of(key), map, dvalue.data, scale, dx.size, aligned_for_quads(dx.data), dx.data);
}

}  // namespace ktrain::cuda
