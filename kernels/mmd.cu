// The rows that count are numbered (a warp each), then all their squared distances are taken in
// double by tiles of 16x16 pairs, in the CPU's order; the rest reads those. The median is found by
// its bits, eight at a time, by one block: whole numbers in any order. Forward: a warp per row.
// Backward: a block per row and 128 channels, the pairs' factors in shared memory, added in the
// order of the rows. N rows are some hundred: everything lies in the second cache.
#include "kernels/mmd.h"

#include "kernels/check.h"
#include "kernels/device/lanes.cuh"
#include "kernels/device/launch.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 16, kSlice = 32;
constexpr int kChannels = 128;
constexpr int kBins = 256;
static_assert(kBins == kThreads);

// All rows, those of x first, and which of them count.
struct Pool {
  const float* x;
  const float* y;
  const std::int32_t* x_rows;
  const std::int32_t* y_rows;
  std::int64_t x_size, size, cols;  // rows of x, rows of both

  [[nodiscard]] __device__ bool counts(std::int64_t r) const {
    return (r < x_size ? x_rows[r] : y_rows[r - x_size]) >= 0;
  }
  [[nodiscard]] __device__ const float* row(std::int64_t r) const {
    return r < x_size ? x + r * cols : y + (r - x_size) * cols;
  }
};

// Where what is known of the rows that count lies, and how many they are.
struct Known {
  std::int32_t* rows;    // of each, which row of the pool it is
  std::int32_t* place;   // of each row of the pool, which of those it is; -1 none
  std::int32_t* counts;  // n, m
  double* squared;       // by pair, `size` apart
  float* distance;
  double* sums;
  std::int64_t size;

  [[nodiscard]] __device__ int all() const { return counts[0] + counts[1]; }
  [[nodiscard]] __device__ bool estimable() const { return counts[0] >= 2 && counts[1] >= 2; }
  // What the pair (i, j) of different rows weighs in the sum over ordered pairs.
  [[nodiscard]] __device__ double pair_weight(std::int64_t i, std::int64_t j) const {
    const double a = counts[0], b = counts[1];
    if (i < counts[0] && j < counts[0]) return 1 / (a * (a - 1));
    if (i >= counts[0] && j >= counts[0]) return 1 / (b * (b - 1));
    return -1 / (a * b);  // counted from both sides
  }
};

// A warp per row of the pool, and one more, which counts.
__global__ void __launch_bounds__(kRowThreads) gather_kernel(Pool pool, Known known) {
  const RowPlace<kWarpSize> at(pool.size + 1);
  const std::int64_t end = at.exists ? at.row : 0;
  int of_x = 0, of_y = 0;
  for (std::int64_t r = at.lane; r < end; r += kWarpSize)
    if (pool.counts(r)) ++(r < pool.x_size ? of_x : of_y);
  of_x = warp_reduce(of_x, Add{});
  of_y = warp_reduce(of_y, Add{});
  if (!at.exists || at.lane != 0) return;
  if (at.row == pool.size) {
    known.counts[0] = of_x;
    known.counts[1] = of_y;
    return;
  }
  const bool counts = pool.counts(at.row);
  known.place[at.row] = counts ? of_x + of_y : -1;
  if (counts) known.rows[of_x + of_y] = static_cast<std::int32_t>(at.row);
}

__global__ void __launch_bounds__(kThreads)
    distance_kernel(Pool pool, Known known, std::int64_t tiles) {
  float* const left = shared_array<float, kTile*(kSlice + 1), struct LeftRows>();
  float* const right = shared_array<float, kTile*(kSlice + 1), struct RightRows>();
  const int thread = static_cast<int>(threadIdx.x), a = thread / kTile, b = thread % kTile;
  const std::int64_t i0 = blockIdx.x / tiles * kTile, j0 = blockIdx.x % tiles * kTile;
  const int all = known.all();
  if (i0 >= all || j0 >= all) return;
  double total = 0;
  for (std::int64_t c0 = 0; c0 < pool.cols; c0 += kSlice) {
    for (int e = thread; e < kTile * kSlice; e += kThreads) {
      const int row = e / kSlice, c = e % kSlice;
      const bool inside = c0 + c < pool.cols;
      left[row * (kSlice + 1) + c] =
          inside && i0 + row < all ? pool.row(known.rows[i0 + row])[c0 + c] : 0.0f;
      right[row * (kSlice + 1) + c] =
          inside && j0 + row < all ? pool.row(known.rows[j0 + row])[c0 + c] : 0.0f;
    }
    __syncthreads();
    const int count = pool.cols - c0 < kSlice ? static_cast<int>(pool.cols - c0) : kSlice;
    for (int c = 0; c < count; ++c) {
      const double difference = static_cast<double>(left[a * (kSlice + 1) + c]) -
                                static_cast<double>(right[b * (kSlice + 1) + c]);
      total += difference * difference;
    }
    __syncthreads();
  }
  if (i0 + a >= all || j0 + b >= all) return;
  const std::int64_t pair = (i0 + a) * known.size + j0 + b;
  known.squared[pair] = total;
  known.distance[pair] = static_cast<float>(sqrt(total));
}

// Calls visit(bits of the distance) for every pair j < i, over the block.
template <class Visit>
__device__ void for_pairs(const Known& known, const Visit& visit) {
  const std::int64_t all = known.all();
  for (std::int64_t p = threadIdx.x; p < all * all; p += kThreads) {
    const std::int64_t i = p / all, j = p % all;
    if (j < i) visit(__float_as_uint(known.distance[i * known.size + j]));
  }
}

constexpr int kBandwidths = static_cast<int>(kMmdFactors.size());

struct Factors {
  double values[kBandwidths];
};

// One block. A distance is not negative: its bits order as it does, NaN above infinity.
__global__ void __launch_bounds__(kThreads)
    median_kernel(Known known, Factors factors, float* sigma) {
  unsigned* const bins = shared_array<unsigned, kBins, struct Bins>();
  unsigned* const found = shared_array<unsigned, 2, struct Found>();  // prefix, rank left
  unsigned* const scratch = shared_array<unsigned, kThreads / kWarpSize, struct MedianScratch>();
  const std::int64_t all = known.all(), pairs = all * (all - 1) / 2;
  const auto middle = static_cast<unsigned>(pairs / 2);
  const int thread = static_cast<int>(threadIdx.x);
  unsigned largest = 0;
  for_pairs(known, [&](unsigned bits) { largest = Larger{}(largest, bits & 0x7fffffffu); });
  largest = block_reduce<kThreads>(largest, Larger{}, 0u, scratch);
  if (thread == 0) {
    found[0] = 0;
    found[1] = middle;
  }
  for (int shift = 24; shift >= 0; shift -= 8) {
    bins[thread] = 0;
    __syncthreads();
    const unsigned prefix = found[0];
    for_pairs(known, [&](unsigned bits) {
      if (static_cast<std::uint64_t>(bits) >> (shift + 8) == prefix)
        atomicAdd(&bins[bits >> shift & (kBins - 1)], 1u);
    });
    __syncthreads();
    if (thread == 0) {
      unsigned bin = 0, left = found[1];
      while (bin < kBins - 1 && left >= bins[bin]) left -= bins[bin++];
      found[0] = prefix << 8 | bin;
      found[1] = left;
    }
    __syncthreads();
  }
  const unsigned bits = found[0];
  // As many as found[1] of the same value stand before the middle one.
  unsigned below = 0;
  for_pairs(known, [&](unsigned other) {
    if (other < bits) below = Larger{}(below, other);
  });
  below = block_reduce<kThreads>(below, Larger{}, 0u, scratch);
  if (thread != 0) return;
  double median = pairs > 0 ? static_cast<double>(__uint_as_float(bits)) : 0.0;
  if (pairs > 0 && pairs % 2 == 0)
    median = 0.5 * (median + (found[1] > 0 ? median : static_cast<double>(__uint_as_float(below))));
  if (largest > 0x7f800000u) median = NAN;
#pragma unroll
  for (int s = 0; s < kBandwidths; ++s) sigma[s] = static_cast<float>(factors.values[s] * median);
}

// -1 / (2 sigma^2) of a bandwidth. A NaN stays one.
__device__ double exponent(float sigma) {
  const double wide = static_cast<double>(sigma), s = wide < kMmdLeast ? kMmdLeast : wide;
  return -0.5 / (s * s);
}

__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(Known known, const float* sigma, std::int64_t bandwidths) {
  const RowPlace<kWarpSize> at(known.estimable() ? known.all() : 0);
  const std::int64_t i = at.row, end = at.exists ? known.all() : 0;
  double total = 0;
#pragma unroll 1
  for (std::int64_t j = at.lane; j < end; j += kWarpSize) {
    if (j == i) continue;
    const double squared = known.squared[i * known.size + j];
    double kernel = 0;
#pragma unroll 1
    for (std::int64_t s = 0; s < bandwidths; ++s) kernel += exp(squared * exponent(sigma[s]));
    total += known.pair_weight(i, j) * kernel;
  }
  total = warp_reduce(total, Add{});
  if (at.exists && at.lane == 0) known.sums[i] = total;
}

__global__ void __launch_bounds__(kThreads)
    loss_kernel(Known known, std::int64_t bandwidths, float* loss) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct LossScratch>();
  const std::int64_t end = known.estimable() ? known.all() : 0;
  double total = 0;
  for (std::int64_t i = threadIdx.x; i < end; i += kThreads) total += known.sums[i];
  total = block_reduce<kThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x == 0) loss[0] = static_cast<float>(total / static_cast<double>(bandwidths));
}

// Block (row of the pool, 128 channels).
__global__ void __launch_bounds__(kChannels)
    backward_kernel(Pool pool, Known known, const float* sigma, std::int64_t bandwidths,
                    const float* dloss, std::int64_t chunks, float* dx, float* dy) {
  double* const factors = shared_array<double, kChannels, struct PairFactors>();
  const std::int64_t r = blockIdx.x / chunks;
  const std::int64_t c = blockIdx.x % chunks * kChannels + threadIdx.x;
  const std::int64_t i = known.place[r], all = i >= 0 && known.estimable() ? known.all() : 0;
  const double scale = static_cast<double>(dloss[0]) / static_cast<double>(bandwidths);
  const double own = c < pool.cols ? static_cast<double>(pool.row(r)[c]) : 0.0;
  float sum = 0;
  for (std::int64_t j0 = 0; j0 < all; j0 += kChannels) {
    const std::int64_t j = j0 + threadIdx.x;
    double slope = 0;
    for (std::int64_t s = 0; s < bandwidths && j < all; ++s) {
      const double e = exponent(sigma[s]);
      slope += 2 * e * exp(known.squared[i * known.size + j] * e);
    }
    factors[threadIdx.x] = j < all ? 2 * scale * known.pair_weight(i, j) * slope : 0.0;
    __syncthreads();
    for (int k = 0; k < kChannels && j0 + k < all && c < pool.cols; ++k) {
      if (j0 + k == i) continue;
      const double other = static_cast<double>(pool.row(known.rows[j0 + k])[c]);
      sum += static_cast<float>(factors[k] * (own - other));
    }
    __syncthreads();
  }
  if (c >= pool.cols) return;
  (r < pool.x_size ? dx + r * pool.cols : dy + (r - pool.x_size) * pool.cols)[c] = sum;
}

void check_sets(const char* who, const MmdSets<float>& sets) {
  KT_CHECK(sets.x.cols == sets.y.cols && sets.x_rows.size == sets.x.rows &&
               sets.y_rows.size == sets.y.rows,
           "{}: x is {}x{} with {} row marks, y is {}x{} with {}", who, sets.x.rows, sets.x.cols,
           sets.x_rows.size, sets.y.rows, sets.y.cols, sets.y_rows.size);
}

Pool pool_of(const MmdSets<float>& sets) {
  return {sets.x.data,      sets.y.data, sets.x_rows.data,
          sets.y_rows.data, sets.x.rows, sets.x.rows + sets.y.rows,
          sets.x.cols};
}

// Numbers the rows and takes their distances.
Known measure(const char* name, CudaStream stream, const Pool& pool, Span<std::byte> memory) {
  Scratch scratch(memory);
  const MmdPieces pieces(scratch, pool.size);
  const Known known{
      pieces.rows.data,     pieces.place.data, pieces.counts.data, pieces.squared.data,
      pieces.distance.data, pieces.sums.data,  pool.size};
  launch(name, gather_kernel, num_blocks((pool.size + 1) * kWarpSize, kRowThreads), kRowThreads,
         stream, pool, known);
  const std::int64_t tiles = num_blocks(pool.size, kTile);
  if (tiles > 0) launch(name, distance_kernel, tiles * tiles, kThreads, stream, pool, known, tiles);
  return known;
}

}  // namespace

void mmd_bandwidths(CudaStream stream, const MmdSets<float>& sets, Span<float> sigma,
                    Span<std::byte> scratch) {
  check_sets("mmd_bandwidths", sets);
  KT_CHECK(sigma.size == std::ssize(kMmdFactors),
           "mmd_bandwidths: sigma has {} elements, wanted {}", sigma.size, kMmdFactors.size());
  const Known known = measure("mmd_bandwidths", stream, pool_of(sets), scratch);
  Factors factors{};
  for (std::size_t s = 0; s < std::size(kMmdFactors); ++s) factors.values[s] = kMmdFactors[s];
  launch("mmd_bandwidths", median_kernel, 1, kThreads, stream, known, factors, sigma.data);
}

void mmd_forward(CudaStream stream, const MmdSets<float>& sets, Span<const float> sigma,
                 Span<float> loss, Span<std::byte> scratch) {
  check_sets("mmd_forward", sets);
  KT_CHECK(sigma.size > 0 && loss.size == 1, "mmd_forward: {} bandwidths, loss has {} elements",
           sigma.size, loss.size);
  const Pool pool = pool_of(sets);
  const Known known = measure("mmd_forward", stream, pool, scratch);
  if (pool.size > 0)
    launch("mmd_forward", forward_kernel, num_blocks(pool.size * kWarpSize, kRowThreads),
           kRowThreads, stream, known, sigma.data, sigma.size);
  launch("mmd_forward", loss_kernel, 1, kThreads, stream, known, sigma.size, loss.data);
}

void mmd_backward(CudaStream stream, const MmdSets<float>& sets, Span<const float> sigma,
                  Span<const float> dloss, Rows<float> dx, Rows<float> dy,
                  Span<std::byte> scratch) {
  check_sets("mmd_backward", sets);
  KT_CHECK(same_shape(sets.x, dx) && same_shape(sets.y, dy) && dloss.size == 1 && sigma.size > 0,
           "mmd_backward: x is {}x{}, dx {}x{}, y {}x{}, dy {}x{}, dloss has {} elements, sigma {}",
           sets.x.rows, sets.x.cols, dx.rows, dx.cols, sets.y.rows, sets.y.cols, dy.rows, dy.cols,
           dloss.size, sigma.size);
  const Pool pool = pool_of(sets);
  const std::int64_t chunks = num_blocks(pool.cols, kChannels);
  if (pool.size * chunks == 0) return;
  const Known known = measure("mmd_backward", stream, pool, scratch);
  launch("mmd_backward", backward_kernel, pool.size * chunks, kChannels, stream, pool, known,
         sigma.data, sigma.size, dloss.data, chunks, dx.data, dy.data);
}

}  // namespace ktrain::cuda
