// kLanes neighbouring lanes per row, which they read three times (largest, sum, write; the second
// and third time from L1): 8 bytes moved by element. The rows' losses are added by one block.
#include "kernels/cross_entropy.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;

// Where a thread stands: its row, its first column, whether the row exists. All lanes of a warp
// take part in its shuffles, so that nobody returns early.
template <int kLanes>
struct Place {
  std::int64_t row;
  int lane;
  bool exists;

  __device__ explicit Place(std::int64_t rows)
      : row((std::int64_t{blockIdx.x} * kThreads + threadIdx.x) / kLanes),
        lane(static_cast<int>(threadIdx.x) % kLanes),
        exists(row < rows) {}
};

// max(factor, 1) that keeps a NaN, as fmaxf would not.
__device__ float averaging(const float* avg_factor) {
  return avg_factor[0] < 1.0f ? 1.0f : avg_factor[0];
}

template <int kLanes>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const float* x, const std::int32_t* labels, std::int64_t rows, std::int64_t cols,
                   float* p, float* row_loss) {
  const Place<kLanes> at(rows);
  const float* const in = x + at.row * cols;
  const std::int64_t end = at.exists ? cols : 0;
  float largest = -INFINITY;
  for (std::int64_t c = at.lane; c < end; c += kLanes) largest = fmaxf(largest, in[c]);
  largest = warp_reduce<kLanes>(largest, Larger{});
  float total = 0;
  for (std::int64_t c = at.lane; c < end; c += kLanes) total += expf(in[c] - largest);
  total = warp_reduce<kLanes>(total, Add{});
  if (!at.exists) return;

  const std::int32_t label = labels[at.row];
  const bool valid = label >= -1 && label < cols;
  if (at.lane == 0 && (label < 0 || !valid)) row_loss[at.row] = valid ? 0.0f : NAN;
  // p may be x: a lane writes only what it alone reads from here on.
  for (std::int64_t c = at.lane; c < cols; c += kLanes) {
    const float above = in[c] - largest;
    p[at.row * cols + c] = expf(above) / total;
    if (c == label) row_loss[at.row] = logf(total) - above;
  }
}

__global__ void __launch_bounds__(kThreads)
    loss_kernel(const float* row_loss, std::int64_t rows, const float* avg_factor, float* loss) {
  double* const scratch = shared_array<double, kThreads / kWarpSize, struct LossScratch>();
  double total = 0;
  for (std::int64_t r = threadIdx.x; r < rows; r += kThreads)
    total += static_cast<double>(row_loss[r]);
  total = block_reduce<kThreads>(total, Add{}, 0.0, scratch);
  if (threadIdx.x == 0)
    loss[0] = static_cast<float>(total / static_cast<double>(averaging(avg_factor)));
}

template <int kLanes>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const float* p, const std::int32_t* labels, const float* avg_factor,
                    const float* dloss, std::int64_t rows, std::int64_t cols, float* dx) {
  const Place<kLanes> at(rows);
  if (!at.exists) return;
  const float factor = dloss[0] / averaging(avg_factor);
  const std::int32_t label = labels[at.row];
  const bool valid = label >= -1 && label < cols;
  for (std::int64_t c = at.lane; c < cols; c += kLanes) {
    const std::int64_t i = at.row * cols + c;
    const float gradient = factor * (p[i] - (c == label ? 1.0f : 0.0f));
    dx[i] = !valid ? NAN : label < 0 ? 0.0f : gradient;
  }
}

void check_shapes(const char* who, Rows<const float> x, Span<const std::int32_t> labels,
                  Span<const float> avg_factor, Rows<float> out) {
  KT_CHECK(same_shape(x, out), "{}: the input is {}x{}, the output {}x{}", who, x.rows, x.cols,
           out.rows, out.cols);
  KT_CHECK(labels.size == x.rows, "{}: {} labels for {} rows", who, labels.size, x.rows);
  KT_CHECK(avg_factor.size == 1, "{}: avg_factor has {} elements, wanted 1", who, avg_factor.size);
}

template <int kLanes>
void launch_forward(CudaStream stream, Rows<const float> x, const std::int32_t* labels, float* p,
                    float* row_loss) {
  launch("cross_entropy_forward", forward_kernel<kLanes>, num_blocks(x.rows * kLanes, kThreads),
         kThreads, stream, x.data, labels, x.rows, x.cols, p, row_loss);
}

template <int kLanes>
void launch_backward(CudaStream stream, Rows<const float> p, const std::int32_t* labels,
                     const float* avg_factor, const float* dloss, float* dx) {
  launch("cross_entropy_backward", backward_kernel<kLanes>, num_blocks(p.rows * kLanes, kThreads),
         kThreads, stream, p.data, labels, avg_factor, dloss, p.rows, p.cols, dx);
}

// A detector with few classes has few columns: four lanes a row leave no more than two idle.
constexpr std::int64_t kFewColumns = 8;

}  // namespace

void cross_entropy_forward(CudaStream stream, Rows<const float> x, Span<const std::int32_t> labels,
                           Span<const float> avg_factor, Rows<float> p, Span<float> row_loss,
                           Span<float> loss) {
  check_shapes("cross_entropy_forward", x, labels, avg_factor, p);
  KT_CHECK(row_loss.size == x.rows, "cross_entropy_forward: row_loss has {} elements for {} rows",
           row_loss.size, x.rows);
  KT_CHECK(loss.size == 1, "cross_entropy_forward: loss has {} elements, wanted 1", loss.size);
  if (x.rows > 0) {
    if (x.cols <= kFewColumns)
      launch_forward<4>(stream, x, labels.data, p.data, row_loss.data);
    else
      launch_forward<kWarpSize>(stream, x, labels.data, p.data, row_loss.data);
  }
  launch("cross_entropy_forward", loss_kernel, 1, kThreads, stream, row_loss.data, x.rows,
         avg_factor.data, loss.data);
}

void cross_entropy_backward(CudaStream stream, Rows<const float> p, Span<const std::int32_t> labels,
                            Span<const float> avg_factor, Span<const float> dloss, Rows<float> dx) {
  check_shapes("cross_entropy_backward", p, labels, avg_factor, dx);
  KT_CHECK(dloss.size == 1, "cross_entropy_backward: dloss has {} elements, wanted 1", dloss.size);
  if (p.empty()) return;
  if (p.cols <= kFewColumns)
    launch_backward<4>(stream, p, labels.data, avg_factor.data, dloss.data, dx.data);
  else
    launch_backward<kWarpSize>(stream, p, labels.data, avg_factor.data, dloss.data, dx.data);
}

}  // namespace ktrain::cuda
