// Forward: the logits by tiles of 32x32, in double and in the CPU's order; then a warp per row for
// what a row sums, negatives included, and a block per 32 columns for what columns sum; one block
// for the loss and what is told. Backward: a block per 8 rows and 128 channels, which makes the
// slopes of 16 pairs by row at a time in shared memory, then a thread per channel that adds in the
// order of the pairs. N is some hundred rows: the matrices lie in the second cache.
#include "kernels/info_nce.h"

#include "kernels/check.h"
#include "kernels/device/lanes.cuh"
#include "kernels/device/launch.cuh"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 32, kSlice = 16;                  // of the logits
constexpr int kColumns = 32, kColumnRows = 8;           // of a block that sums columns
constexpr int kRows = 8, kChannels = 128, kPairs = 16;  // of a block of the backward
static_assert(kRows * kPairs == kChannels, "a slope per thread");

// What says who belongs to whom.
struct Pairs {
  const float* valid_;
  const float* weight_;         // null: ones
  const std::uint8_t* exclude;  // null: none
  std::int64_t n;

  [[nodiscard]] __device__ bool valid(std::int64_t i) const { return valid_[i] != 0.0f; }
  [[nodiscard]] __device__ bool allowed(std::int64_t i, std::int64_t j) const {
    return i == j || (valid(j) && (!exclude || exclude[i * n + j] == 0));
  }
  [[nodiscard]] __device__ double weight(std::int64_t i) const {
    return weight_ ? static_cast<double>(weight_[i]) : 1.0;
  }
};

__device__ double inverse_temperature(const float* scale, bool raw) {
  return raw ? 1.0 / static_cast<double>(scale[0]) : exp(static_cast<double>(scale[0]));
}

// logits[i,j] = s <u_i, v_j>; 0 where one of the rows is none.
__global__ void __launch_bounds__(kThreads)
    logits_kernel(const float* u, const float* v, const float* scale, bool raw, Pairs pairs,
                  std::int64_t d, std::int64_t tiles, float* logits) {
  float* const us = shared_array<float, kSlice*(kTile + 1), struct RowsOfU>();
  float* const vs = shared_array<float, kSlice*(kTile + 1), struct RowsOfV>();
  const int thread = static_cast<int>(threadIdx.x), tx = thread % 16, ty = thread / 16;
  const std::int64_t i0 = blockIdx.x / tiles * kTile, j0 = blockIdx.x % tiles * kTile;
  double sums[2][2] = {};
  for (std::int64_t k0 = 0; k0 < d; k0 += kSlice) {
#pragma unroll
    for (int part = 0; part < 2; ++part) {
      const int row = ty + part * 16;
      const bool inside = k0 + tx < d;
      us[tx * (kTile + 1) + row] =
          inside && i0 + row < pairs.n ? u[(i0 + row) * d + k0 + tx] : 0.0f;
      vs[tx * (kTile + 1) + row] =
          inside && j0 + row < pairs.n ? v[(j0 + row) * d + k0 + tx] : 0.0f;
    }
    __syncthreads();
    const int count = d - k0 < kSlice ? static_cast<int>(d - k0) : kSlice;
    for (int k = 0; k < count; ++k)
#pragma unroll
      for (int a = 0; a < 2; ++a)
#pragma unroll
        for (int b = 0; b < 2; ++b)
          sums[a][b] += static_cast<double>(us[k * (kTile + 1) + ty + a * 16]) *
                        static_cast<double>(vs[k * (kTile + 1) + tx + b * 16]);
    __syncthreads();
  }
  const double s = inverse_temperature(scale, raw);
#pragma unroll
  for (int a = 0; a < 2; ++a)
#pragma unroll
    for (int b = 0; b < 2; ++b) {
      const std::int64_t i = i0 + ty + a * 16, j = j0 + tx + b * 16;
      if (i >= pairs.n || j >= pairs.n) continue;
      logits[i * pairs.n + j] =
          pairs.valid(i) && pairs.valid(j) ? static_cast<float>(s * sums[a][b]) : 0.0f;
    }
}

__device__ double above(float value, float largest) {
  return exp(static_cast<double>(value) - static_cast<double>(largest));
}

// A warp per row: log of its sum, how many negatives it has, whether its partner beats them all.
__global__ void __launch_bounds__(kRowThreads)
    row_kernel(const float* logits, Pairs pairs, float* row, std::int32_t* negatives,
               std::int32_t* first) {
  const RowPlace<kWarpSize> at(pairs.n);
  const std::int64_t i = at.row, end = at.exists ? pairs.n : 0;
  const float* const in = logits + i * pairs.n;
  float largest = -INFINITY;  // passes over a NaN; the sum below does not
  int count = 0, beaten = 0;
  for (std::int64_t j = at.lane; j < end; j += kWarpSize) {
    if (!pairs.allowed(i, j)) continue;
    largest = fmaxf(largest, in[j]);
    if (j == i) continue;
    ++count;
    beaten += in[i] > in[j] ? 1 : 0;
  }
  largest = warp_reduce(largest, Larger{});
  count = warp_reduce(count, Add{});
  beaten = warp_reduce(beaten, Add{});
  double sum = 0;
  for (std::int64_t j = at.lane; j < end; j += kWarpSize)
    if (pairs.allowed(i, j)) sum += above(in[j], largest);
  sum = warp_reduce(sum, Add{});
  if (!at.exists || at.lane != 0) return;
  row[i] = static_cast<float>(static_cast<double>(largest) + log(sum));
  negatives[i] = count;
  first[i] = beaten == count ? 1 : 0;
}

// 32 columns side by side, 8 rows at a time.
__global__ void __launch_bounds__(kThreads)
    column_kernel(const float* logits, Pairs pairs, float* col) {
  float* const largest_of = shared_array<float, kThreads, struct ColumnLargest>();
  double* const sum_of = shared_array<double, kThreads, struct ColumnSums>();
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t i = std::int64_t{blockIdx.x} * kColumns + thread % kColumns;
  const int part = thread / kColumns;
  const bool exists = i < pairs.n;
  const auto counts = [&](std::int64_t j) {
    return i == j || (pairs.valid(j) && pairs.allowed(j, i));
  };
  const std::int64_t end = exists ? pairs.n : 0;
  float largest = -INFINITY;
  for (std::int64_t j = part; j < end; j += kColumnRows)
    if (counts(j)) largest = fmaxf(largest, logits[j * pairs.n + i]);
  largest_of[thread] = largest;
  __syncthreads();
  for (int p = 0; p < kColumnRows; ++p)
    largest = fmaxf(largest, largest_of[p * kColumns + thread % kColumns]);
  double sum = 0;
  for (std::int64_t j = part; j < end; j += kColumnRows)
    if (counts(j)) sum += above(logits[j * pairs.n + i], largest);
  sum_of[thread] = sum;
  __syncthreads();
  if (part != 0 || !exists) return;
  for (int p = 1; p < kColumnRows; ++p) sum += sum_of[p * kColumns + thread];
  col[i] = static_cast<float>(static_cast<double>(largest) + log(sum));
}

struct Totals {
  std::int64_t least_negatives;
  bool one_directional, raw_temperature;
  const float* logits;
  const float* row;
  const float* col;
  const std::int32_t* negatives;
  const std::int32_t* first;
  const float* scale;
};

// One block: anchors, factors, what is told, the loss. Counts are whole numbers, exact in double.
__global__ void __launch_bounds__(kThreads)
    finish_kernel(Totals in, Pairs pairs, float* factor, float* stats, std::int32_t* anchors,
                  float* loss) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct FinishScratch>();
  const auto sum_over = [&](double value) {
    return block_reduce<kThreads>(value, Add{}, 0.0, scratch);
  };
  double rows = 0, count = 0, all = 0, chance = 0, first = 0;
  double least = -static_cast<double>(pairs.n);
  for (std::int64_t i = threadIdx.x; i < pairs.n; i += kThreads) {
    factor[i] = 0;
    if (!pairs.valid(i)) continue;
    rows += 1;
    if (in.negatives[i] < in.least_negatives) continue;
    const double negatives = in.negatives[i];
    count += 1;
    all += negatives;
    least = Larger{}(least, -negatives);
    chance += pairs.weight(i) * log1p(negatives);
    first += in.first[i];
    factor[i] = 1;
  }
  rows = sum_over(rows);
  count = sum_over(count);
  all = sum_over(all);
  chance = sum_over(chance);
  first = sum_over(first);
  least = block_reduce<kThreads>(least, Larger{}, -static_cast<double>(pairs.n), scratch);
  double total = 0;
  for (std::int64_t i = threadIdx.x; i < pairs.n; i += kThreads) {
    if (factor[i] == 0.0f) continue;
    const auto own_factor = static_cast<float>(pairs.weight(i) / count);
    factor[i] = own_factor;
    if (own_factor == 0.0f) continue;
    const double own = static_cast<double>(in.logits[i * pairs.n + i]);
    const double row = static_cast<double>(in.row[i]) - own;
    const double col = static_cast<double>(in.col[i]) - own;
    total += static_cast<double>(own_factor) * (in.one_directional ? row : (row + col) / 2);
  }
  total = sum_over(total);
  if (threadIdx.x != 0) return;
  const bool any = count > 0;
  stats[kStatChance] = any ? static_cast<float>(chance / count) : 0.0f;
  stats[kStatAnchors] = static_cast<float>(count);
  stats[kStatRows] = static_cast<float>(rows);
  stats[kStatLeastNegatives] = any ? static_cast<float>(-least) : 0.0f;
  stats[kStatMeanNegatives] = any ? static_cast<float>(all / count) : 0.0f;
  stats[kStatFirst] = any ? static_cast<float>(first / count) : 0.0f;
  stats[kStatScale] = static_cast<float>(inverse_temperature(in.scale, in.raw_temperature));
  anchors[0] = static_cast<std::int32_t>(count);
  loss[0] = static_cast<float>(total);
}

// d loss / d logit[i,j]
struct Slopes {
  Pairs pairs;
  const float* logits;
  const float* row;
  const float* col;
  const float* factor;
  const float* dloss;
  const float* scale;
  bool one_directional, raw_temperature;

  [[nodiscard]] __device__ double at(std::int64_t i, std::int64_t j) const {
    if (!pairs.allowed(i, j)) return 0;
    const double logit = static_cast<double>(logits[i * pairs.n + j]), own = i == j ? 1.0 : 0.0;
    double sum = 0;
    if (factor[i] != 0.0f)
      sum += static_cast<double>(factor[i]) * (exp(logit - static_cast<double>(row[i])) - own);
    if (!one_directional && factor[j] != 0.0f && pairs.valid(i))
      sum += static_cast<double>(factor[j]) * (exp(logit - static_cast<double>(col[j])) - own);
    return static_cast<double>(dloss[0]) * (one_directional ? 1.0 : 0.5) * sum;
  }
};

// Block (side, rows, channels): side 0 writes du, side 1 dv.
__global__ void __launch_bounds__(kChannels)
    backward_kernel(Slopes slopes, const float* u, const float* v, std::int64_t d,
                    std::int64_t row_blocks, std::int64_t channel_blocks, float* du, float* dv) {
  double* const factors = shared_array<double, kRows * kPairs, struct Factors>();
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t n = slopes.pairs.n;
  const std::int64_t c = blockIdx.x % channel_blocks * kChannels + thread;
  const std::int64_t i0 = blockIdx.x / channel_blocks % row_blocks * kRows;
  const bool of_v = blockIdx.x / channel_blocks / row_blocks == 1;
  const float* const from = of_v ? u : v;
  float* const to = of_v ? dv : du;
  const double s = inverse_temperature(slopes.scale, slopes.raw_temperature);
  // Neighbouring threads read neighbouring logits.
  const int r = of_v ? thread % kRows : thread / kPairs;
  const int p = of_v ? thread / kRows : thread % kPairs;
  float sums[kRows] = {};
  for (std::int64_t j0 = 0; j0 < n; j0 += kPairs) {
    const std::int64_t i = i0 + r, j = j0 + p;
    const bool inside = i < n && j < n;
    factors[p * kRows + r] = !inside ? 0.0 : s * (of_v ? slopes.at(j, i) : slopes.at(i, j));
    __syncthreads();
    for (int k = 0; k < kPairs && j0 + k < n && c < d; ++k) {
      const double x = static_cast<double>(from[(j0 + k) * d + c]);
#pragma unroll
      for (int a = 0; a < kRows; ++a) {
        const double factor = factors[k * kRows + a];
        if (factor != 0) sums[a] += static_cast<float>(factor * x);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int a = 0; a < kRows; ++a)
    if (c < d && i0 + a < n) to[(i0 + a) * d + c] = sums[a];
}

// A warp per row: its part of d loss / d log s.
__global__ void __launch_bounds__(kRowThreads) along_kernel(Slopes slopes, double* along) {
  const RowPlace<kWarpSize> at(slopes.pairs.n);
  const std::int64_t n = slopes.pairs.n, end = at.exists ? n : 0;
  double sum = 0;
  for (std::int64_t j = at.lane; j < end; j += kWarpSize) {
    const double slope = slopes.at(at.row, j);
    if (slope != 0) sum += slope * static_cast<double>(slopes.logits[at.row * n + j]);
  }
  sum = warp_reduce(sum, Add{});
  if (at.exists && at.lane == 0) along[at.row] = sum;
}

__global__ void __launch_bounds__(kThreads)
    along_finish_kernel(const double* along, std::int64_t n, const float* scale, bool raw,
                        float* dscale) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct AlongScratch>();
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < n; i += kThreads) sum += along[i];
  sum = block_reduce<kThreads>(sum, Add{}, 0.0, scratch);
  if (threadIdx.x == 0)
    dscale[0] = static_cast<float>(raw ? -sum / static_cast<double>(scale[0]) : sum);
}

void check_inputs(const char* kernel, const InfoNceInputs<float>& in) {
  const std::int64_t n = in.u.rows;
  KT_CHECK(same_shape(in.u, in.v), "{}: u is {}x{}, v {}x{}", kernel, n, in.u.cols, in.v.rows,
           in.v.cols);
  KT_CHECK(in.scale.size == 1 && in.valid.size == n && (in.weight.empty() || in.weight.size == n) &&
               (in.exclude.empty() || (in.exclude.rows == n && in.exclude.cols == n)),
           "{}: {} rows, scale {}, valid {}, weight {}, exclude {}x{}", kernel, n, in.scale.size,
           in.valid.size, in.weight.size, in.exclude.rows, in.exclude.cols);
}

template <class T>
void check_saved(const char* kernel, const InfoNceSaved<T>& saved, std::int64_t n,
                 std::int64_t loss) {
  KT_CHECK(saved.logits.rows == n && saved.logits.cols == n && saved.row.size == n &&
               saved.col.size == n && saved.factor.size == n && loss == 1,
           "{}: {} rows, logits {}x{}, row {}, col {}, factor {}, loss {}", kernel, n,
           saved.logits.rows, saved.logits.cols, saved.row.size, saved.col.size, saved.factor.size,
           loss);
}

Pairs pairs_of(const InfoNceInputs<float>& in) {
  return {in.valid.data, in.weight.empty() ? nullptr : in.weight.data,
          in.exclude.empty() ? nullptr : in.exclude.data, in.u.rows};
}

}  // namespace

void info_nce_forward(CudaStream stream, const InfoNceInputs<float>& in,
                      const InfoNceSaved<float>& saved, Span<float> stats,
                      Span<std::int32_t> anchors, Span<float> loss, Span<std::byte> scratch,
                      const InfoNceOptions& options) {
  const char* const name = "info_nce_forward";
  const std::int64_t n = in.u.rows, tiles = num_blocks(n, kTile);
  check_inputs(name, in);
  check_saved(name, saved, n, loss.size);
  KT_CHECK(stats.size == kNumInfoNceStats && anchors.size == 1,
           "info_nce_forward: {} stats, {} anchors", stats.size, anchors.size);
  KT_CHECK(options.least_negatives >= 1, "info_nce_forward: least_negatives is {}",
           options.least_negatives);
  Scratch carver(scratch);
  const InfoNcePieces pieces(carver, n);
  const Pairs pairs = pairs_of(in);
  if (n > 0) {
    launch(name, logits_kernel, tiles * tiles, kThreads, stream, in.u.data, in.v.data,
           in.scale.data, options.raw_temperature, pairs, in.u.cols, tiles, saved.logits.data);
    launch(name, row_kernel, num_blocks(n * kWarpSize, kRowThreads), kRowThreads, stream,
           saved.logits.data, pairs, saved.row.data, pieces.negatives.data, pieces.first.data);
    launch(name, column_kernel, num_blocks(n, kColumns), kThreads, stream, saved.logits.data, pairs,
           saved.col.data);
  }
  const Totals totals{options.least_negatives, options.one_directional, options.raw_temperature,
                      saved.logits.data,       saved.row.data,          saved.col.data,
                      pieces.negatives.data,   pieces.first.data,       in.scale.data};
  launch(name, finish_kernel, 1, kThreads, stream, totals, pairs, saved.factor.data, stats.data,
         anchors.data, loss.data);
}

void info_nce_backward(CudaStream stream, const InfoNceInputs<float>& in,
                       const InfoNceSaved<const float>& saved, Span<const float> dloss,
                       const InfoNceGradients<float>& out, Span<std::byte> scratch,
                       const InfoNceOptions& options) {
  const char* const name = "info_nce_backward";
  const std::int64_t n = in.u.rows, d = in.u.cols;
  check_inputs(name, in);
  check_saved(name, saved, n, dloss.size);
  KT_CHECK(same_shape(in.u, out.du) && same_shape(in.v, out.dv) && out.dscale.size == 1,
           "info_nce_backward: u {}x{}, du {}x{}, dv {}x{}, dscale {}", n, d, out.du.rows,
           out.du.cols, out.dv.rows, out.dv.cols, out.dscale.size);
  Scratch carver(scratch);
  const InfoNcePieces pieces(carver, n);
  const Slopes slopes{pairs_of(in),   saved.logits.data,       saved.row.data,
                      saved.col.data, saved.factor.data,       dloss.data,
                      in.scale.data,  options.one_directional, options.raw_temperature};
  const std::int64_t rows = num_blocks(n, kRows), channels = num_blocks(d, kChannels);
  if (rows * channels > 0)
    launch(name, backward_kernel, 2 * rows * channels, kChannels, stream, slopes, in.u.data,
           in.v.data, d, rows, channels, out.du.data, out.dv.data);
  if (n > 0)
    launch(name, along_kernel, num_blocks(n * kWarpSize, kRowThreads), kRowThreads, stream, slopes,
           pieces.along.data);
  launch(name, along_finish_kernel, 1, kThreads, stream, pieces.along.data, n, in.scale.data,
         options.raw_temperature, out.dscale.data);
}

}  // namespace ktrain::cuda
