// Two kernels: every block reduces a run of the input to one double in `scratch`, then one block
// reduces those. Runs depend on the size alone and so does the order inside them, so that two runs
// agree to the last bit; the input is read once.
#include "kernels/reduce.h"

#include <algorithm>
#include <limits>

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kQuads = kThreads * 4;  // elements that a block reads at once
constexpr std::int64_t kMinRun = 4 * kQuads;
constexpr std::int64_t kMaxRuns = 1024;
static_assert(kMaxRuns <= kReduceScratch);

// What is reduced: term() of the inputs' elements, combined by Op, starting with 0.
struct Value {
  using Op = Add;
  __device__ static double term(float x) { return static_cast<double>(x); }
};
struct Square {
  using Op = Add;
  __device__ static double term(float x) { return static_cast<double>(x) * static_cast<double>(x); }
};
struct Product {
  using Op = Add;
  __device__ static double term(float a, float b) {
    return static_cast<double>(a) * static_cast<double>(b);
  }
};
// Without its sign a float orders like the integer of the same bits, NaN above infinity.
struct Magnitude {
  using Op = Larger;
  __device__ static double term(float x) {
    return static_cast<double>(__float_as_uint(x) & 0x7fffffffu);
  }
};
// Infinity and NaN are the values whose difference with themselves is not zero.
struct NonFinite {
  using Op = Add;
  __device__ static double term(float x) { return x - x == 0.0f ? 0.0 : 1.0; }
};

// How the last double becomes the output.
struct ToFloat {
  __device__ static float finish(double total) { return static_cast<float>(total); }
};
struct BitsToFloat {
  __device__ static float finish(double total) {
    return __uint_as_float(static_cast<unsigned>(total));
  }
};
struct ToCount {
  __device__ static std::int32_t finish(double total) {
    return total < 2147483647.0 ? static_cast<std::int32_t>(total) : 2147483647;
  }
};

// A zero that load_quad() gives past the end is a term of 0 for all of the above.
template <class Term, class... Quads>
__device__ double combine_quad(double total, const Quads&... q) {
  const typename Term::Op op;
  const double left = op(Term::term(q.x...), Term::term(q.y...));
  const double right = op(Term::term(q.z...), Term::term(q.w...));
  return op(total, op(left, right));
}

template <class Term, class... Inputs>
__global__ void __launch_bounds__(kThreads)
    run_kernel(std::int64_t size, std::int64_t run, bool aligned, double* partials,
               Inputs... inputs) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct RunScratch>();
  const std::int64_t begin = std::int64_t{blockIdx.x} * run;
  const std::int64_t end = begin + run < size ? begin + run : size;
  double total = 0;
#pragma unroll 4
  for (std::int64_t i = begin + threadIdx.x * 4; i < end; i += kQuads)
    total = combine_quad<Term>(total, load_quad(inputs + i, aligned, end - i)...);
  total = block_reduce<kThreads>(total, typename Term::Op{}, 0.0, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

template <class Op, class Finish, class T>
__global__ void __launch_bounds__(kThreads)
    finish_kernel(const double* partials, std::int64_t count, T* y) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct FinishScratch>();
  double total = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) total = Op{}(total, partials[i]);
  total = block_reduce<kThreads>(total, Op{}, 0.0, scratch);
  if (threadIdx.x == 0) y[0] = Finish::finish(total);
}

void check_scratch(const char* name, Span<double> scratch) {
  KT_CHECK(scratch.size >= kReduceScratch, "{}: scratch has {} elements, wanted {}", name,
           scratch.size, kReduceScratch);
}

template <class Term, class Finish, class T, class... Inputs>
void reduce(const char* name, CudaStream stream, std::int64_t size, Span<double> scratch, Span<T> y,
            Inputs... inputs) {
  check_scratch(name, scratch);
  KT_CHECK(y.size == 1, "{}: the output has {} elements, wanted 1", name, y.size);
  const std::int64_t whole = num_blocks(num_blocks(size, kMaxRuns), kQuads) * kQuads;
  const std::int64_t run = std::max(kMinRun, whole);
  const std::int64_t runs = num_blocks(size, run);
  if (runs > 0) {
    const bool aligned = (aligned_for_quads(inputs) && ...);
    launch(name, run_kernel<Term, Inputs...>, runs, kThreads, stream, size, run, aligned,
           scratch.data, inputs...);
  }
  launch(name, finish_kernel<typename Term::Op, Finish, T>, 1, kThreads, stream, scratch.data, runs,
         y.data);
}

// Column sums. kWidth lanes side by side take kPerLane columns each of one row, the rest of the
// block takes further rows; then the rows of the block are added in a tree.
constexpr int kColumnThreads = 256;

template <int kPerLane>
__device__ void add_columns(double (&total)[kPerLane], const float* row, bool aligned,
                            std::int64_t count) {
  if constexpr (kPerLane == 4) {
    const float4 q = load_quad(row, aligned, count);
    total[0] += static_cast<double>(q.x);
    total[1] += static_cast<double>(q.y);
    total[2] += static_cast<double>(q.z);
    total[3] += static_cast<double>(q.w);
  } else {
    if (count > 0) total[0] += static_cast<double>(row[0]);
  }
}

struct ColumnPlan {
  std::int64_t rows, cols, band, bands;
  int width;  // lanes side by side, a power of two
  bool aligned;
};

// Block (b, c) of bands x column blocks. With one band the sums are the output.
template <int kPerLane>
__global__ void __launch_bounds__(kColumnThreads)
    column_kernel(const float* x, ColumnPlan plan, double* partials, float* y) {
  double* const sums = shared_array<double, kColumnThreads * kPerLane, struct ColumnSums>();
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t b = blockIdx.x % plan.bands;
  const std::int64_t first =
      blockIdx.x / plan.bands * plan.width * kPerLane + thread % plan.width * kPerLane;
  const std::int64_t count = plan.cols - first;
  const std::int64_t end = (b + 1) * plan.band < plan.rows ? (b + 1) * plan.band : plan.rows;
  double total[kPerLane] = {};
#pragma unroll 4
  for (std::int64_t r = b * plan.band + thread / plan.width; r < end;
       r += kColumnThreads / plan.width)
    add_columns<kPerLane>(total, x + r * plan.cols + first, plan.aligned, count);
#pragma unroll
  for (int k = 0; k < kPerLane; ++k) sums[k * kColumnThreads + thread] = total[k];
  for (int half = kColumnThreads / 2; half >= plan.width; half /= 2) {
    __syncthreads();
    if (thread < half) {
#pragma unroll
      for (int k = 0; k < kPerLane; ++k)
        sums[k * kColumnThreads + thread] += sums[k * kColumnThreads + thread + half];
    }
  }
  // The sums that are read here were added by this thread itself.
  if (thread >= plan.width) return;
#pragma unroll
  for (int k = 0; k < kPerLane; ++k) {
    if (k >= count) break;
    const double sum = sums[k * kColumnThreads + thread];
    if (plan.bands == 1)
      y[first + k] = static_cast<float>(sum);
    else
      partials[b * plan.cols + first + k] = sum;
  }
}

__global__ void __launch_bounds__(kThreads)
    column_finish_kernel(const double* partials, std::int64_t bands, std::int64_t cols, float* y) {
  const std::int64_t c = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  double total = 0;
#pragma unroll 4
  for (std::int64_t b = 0; b < bands; ++b) total += partials[b * cols + c];
  y[c] = static_cast<float>(total);
}

template <int kPerLane>
void launch_columns(CudaStream stream, Rows<const float> x, ColumnPlan plan, Span<double> scratch,
                    Span<float> y) {
  const std::int64_t lanes = num_blocks(x.cols, kPerLane);
  plan.width = power_of_two(lanes, 32 / kPerLane);  // 128 bytes of a row
  launch("column_sums", column_kernel<kPerLane>, plan.bands * num_blocks(lanes, plan.width),
         kColumnThreads, stream, x.data, plan, scratch.data, y.data);
}

}  // namespace

void sum(CudaStream stream, Span<const float> x, Span<double> scratch, Span<float> y) {
  reduce<Value, ToFloat>("sum", stream, x.size, scratch, y, x.data);
}
void sum_of_squares(CudaStream stream, Span<const float> x, Span<double> scratch, Span<float> y) {
  reduce<Square, ToFloat>("sum_of_squares", stream, x.size, scratch, y, x.data);
}
void dot(CudaStream stream, Span<const float> a, Span<const float> b, Span<double> scratch,
         Span<float> y) {
  KT_CHECK(a.size == b.size, "dot: a has {} elements, b {}", a.size, b.size);
  reduce<Product, ToFloat>("dot", stream, a.size, scratch, y, a.data, b.data);
}
void max_abs(CudaStream stream, Span<const float> x, Span<double> scratch, Span<float> y) {
  reduce<Magnitude, BitsToFloat>("max_abs", stream, x.size, scratch, y, x.data);
}
void count_nonfinite(CudaStream stream, Span<const float> x, Span<double> scratch,
                     Span<std::int32_t> y) {
  reduce<NonFinite, ToCount>("count_nonfinite", stream, x.size, scratch, y, x.data);
}

void column_sums(CudaStream stream, Rows<const float> x, Span<double> scratch, Span<float> y) {
  check_scratch("column_sums", scratch);
  KT_CHECK(y.size == x.cols, "column_sums: x has {} columns, y {} elements", x.cols, y.size);
  if (x.cols == 0) return;
  // As many bands of rows as fit into the scratch, 64 rows or more each.
  const std::int64_t most = std::max<std::int64_t>(1, kReduceScratch / x.cols);
  ColumnPlan plan{};
  plan.rows = x.rows;
  plan.cols = x.cols;
  plan.band = std::max<std::int64_t>(64, num_blocks(x.rows, most));
  plan.bands = std::max<std::int64_t>(1, num_blocks(x.rows, plan.band));
  plan.aligned = aligned_for_quads(x.data);
  if (x.cols % 4 == 0)
    launch_columns<4>(stream, x, plan, scratch, y);
  else
    launch_columns<1>(stream, x, plan, scratch, y);
  if (plan.bands == 1) return;
  launch("column_sums", column_finish_kernel, num_blocks(x.cols, kThreads), kThreads, stream,
         scratch.data, plan.bands, x.cols, y.data);
}

}  // namespace ktrain::cuda
