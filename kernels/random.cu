// A number needs nothing but its index: a thread per four of them. random_order sorts in place, by
// a bitonic network whose comparisons all put the smaller number first (the first step of a merge
// compares from both ends), so that what would stand past the end counts as infinite and is never
// touched. Keys with their index are all different: any sort gives the CPU's order. Steps within
// 2048 elements run in shared memory, the others are a launch each; their number depends on the
// size alone.
#include "kernels/random.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kPerBlock = kThreads * 4;
constexpr std::int64_t kMaxDraws = std::int64_t{1} << 32;
constexpr int kTile = 2048;

struct Draw {
  RandomKey key;
  std::uint32_t sample;

  [[nodiscard]] __device__ RandomWords words(std::int64_t index) const {
    return random_words(key, sample, static_cast<std::uint32_t>(index));
  }
};

__global__ void __launch_bounds__(kThreads)
    uniform_kernel(Draw draw, std::int64_t size, bool aligned, double low, double high, float* x) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * 4;
  if (i >= size) return;
  const auto one = [&](std::int64_t index) {
    const auto value = static_cast<float>(low + (high - low) * uniform_double(draw.words(index)));
    // Rounding to float may reach the open end.
    return value < static_cast<float>(high) ? value : static_cast<float>(low);
  };
  store_quad(x + i, make_float4(one(i), one(i + 1), one(i + 2), one(i + 3)), aligned, size - i);
}

// normal_pair() with sine and cosine of multiples of pi, which need no local memory.
__device__ NormalPair normal_pair_of(const RandomWords& words) {
  const double radius = sqrt(-2.0 * log(1.0 - uniform_double(words, 0)));
  double sine, cosine;
  sincospi(2.0 * uniform_double(words, 2), &sine, &cosine);
  return {radius * cosine, radius * sine};
}

__global__ void __launch_bounds__(kThreads)
    normal_kernel(Draw draw, std::int64_t size, bool aligned, double mean, double deviation,
                  float* x) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * 4;
  if (i >= size) return;
  const NormalPair left = normal_pair_of(draw.words(i / 2));
  const NormalPair right = normal_pair_of(draw.words(i / 2 + 1));
  store_quad(x + i,
             make_float4(static_cast<float>(mean + deviation * left.first),
                         static_cast<float>(mean + deviation * left.second),
                         static_cast<float>(mean + deviation * right.first),
                         static_cast<float>(mean + deviation * right.second)),
             aligned, size - i);
}

using Word = unsigned long long;

// The t-th comparison of a step over distance `half`: within a piece of 2 * half elements, from
// both ends (`flip`) or `half` apart.
struct Pair {
  std::int64_t low, high;
  __device__ Pair(std::int64_t t, std::int64_t half, bool flip) {
    const std::int64_t offset = t & (half - 1), piece = (t - offset) * 2;
    low = piece + offset;
    high = flip ? piece + 2 * half - 1 - offset : low + half;
  }
};

__device__ void put_in_order(Word& low, Word& high) {
  if (low <= high) return;
  const Word larger = low;
  low = high;
  high = larger;
}

// A step on the tile in shared memory. Ends with a barrier.
__device__ void tile_step(Word* tile, int half, bool flip) {
  for (int t = static_cast<int>(threadIdx.x); t < kTile / 2; t += kThreads) {
    const Pair pair(t, half, flip);
    put_in_order(tile[pair.low], tile[pair.high]);
  }
  __syncthreads();
}

// Keys where `make`, what stands in order[] where not, all ones past the end. Ends with a barrier.
__device__ void load_tile(const Draw& draw, bool make, const std::int64_t* order,
                          std::int64_t begin, std::int64_t size, Word* tile) {
  for (int t = static_cast<int>(threadIdx.x); t < kTile; t += kThreads) {
    const std::int64_t i = begin + t;
    Word word = ~Word{0};
    if (i < size)
      word = make ? Word{draw.words(i).word[0]} << 32 | static_cast<Word>(i)
                  : static_cast<Word>(order[i]);
    tile[t] = word;
  }
  __syncthreads();
}

// `make`: makes the keys and sorts the tile. Otherwise the last steps of a merge, from distance
// kTile / 2. `last`: leaves indices.
__global__ void __launch_bounds__(kThreads)
    tile_kernel(Draw draw, bool make, bool last, std::int64_t size, std::int64_t* order) {
  Word* const tile = shared_array<Word, kTile, struct SortTile>();
  const std::int64_t begin = std::int64_t{blockIdx.x} * kTile;
  load_tile(draw, make, order, begin, size, tile);
  for (int half = make ? 1 : kTile / 2; half < kTile; half *= 2) {
    if (make) tile_step(tile, half, true);
    for (int step = make ? half / 2 : half; step > 0; step /= 2) tile_step(tile, step, false);
  }
  for (int t = static_cast<int>(threadIdx.x); t < kTile && begin + t < size; t += kThreads)
    order[begin + t] = static_cast<std::int64_t>(last ? tile[t] & 0xFFFFFFFFu : tile[t]);
}

__global__ void __launch_bounds__(kThreads)
    step_kernel(std::int64_t half, bool flip, std::int64_t size, std::int64_t* order) {
  const Pair pair(std::int64_t{blockIdx.x} * kThreads + threadIdx.x, half, flip);
  if (pair.high >= size) return;
  const auto low = static_cast<Word>(order[pair.low]), high = static_cast<Word>(order[pair.high]);
  if (low <= high) return;
  order[pair.low] = static_cast<std::int64_t>(high);
  order[pair.high] = static_cast<std::int64_t>(low);
}

void check_draws(const char* who, const char* what, std::int64_t size) {
  KT_CHECK(size <= kMaxDraws, "{}: {} {} asked of one sample, at most {}", who, size, what,
           kMaxDraws);
}

}  // namespace

void fill_uniform(CudaStream stream, const RandomKey& key, std::uint32_t sample, Span<float> x,
                  double low, double high) {
  check_draws("fill_uniform", "numbers", x.size);
  if (x.empty()) return;
  launch("fill_uniform", uniform_kernel, num_blocks(x.size, kPerBlock), kThreads, stream,
         Draw{key, sample}, x.size, aligned_for_quads(x.data), low, high, x.data);
}

void fill_normal(CudaStream stream, const RandomKey& key, std::uint32_t sample, Span<float> x,
                 double mean, double std) {
  check_draws("fill_normal", "numbers", x.size);
  if (x.empty()) return;
  launch("fill_normal", normal_kernel, num_blocks(x.size, kPerBlock), kThreads, stream,
         Draw{key, sample}, x.size, aligned_for_quads(x.data), mean, std, x.data);
}

void random_order(CudaStream stream, const RandomKey& key, std::uint32_t sample,
                  Span<std::int64_t> order) {
  constexpr auto kWho = "random_order";
  check_draws(kWho, "indices", order.size);
  if (order.empty()) return;
  const Draw draw{key, sample};
  const std::int64_t tiles = num_blocks(order.size, kTile);
  launch(kWho, tile_kernel, tiles, kThreads, stream, draw, true, tiles == 1, order.size,
         order.data);
  for (std::int64_t half = kTile; half < order.size; half *= 2) {
    const std::int64_t pairs = num_blocks(order.size, 2 * half) * half;
    for (std::int64_t step = half; step >= kTile; step /= 2)
      launch(kWho, step_kernel, num_blocks(pairs, kThreads), kThreads, stream, step, step == half,
             order.size, order.data);
    launch(kWho, tile_kernel, tiles, kThreads, stream, draw, false, 2 * half >= order.size,
           order.size, order.data);
  }
}

}  // namespace ktrain::cuda
