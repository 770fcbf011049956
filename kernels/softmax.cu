// kLanes neighbouring lanes per row. Forward: the row is read three times (largest, sum, write; the
// second and third time from L1): 8 bytes moved by element. Backward: two rows read twice, 12
// bytes.
#include "kernels/softmax.h"

#include "kernels/check.h"
#include "kernels/device/lanes.cuh"
#include "kernels/device/launch.cuh"

namespace ktrain::cuda {
namespace {

template <int kLanes>
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(const float* x, std::int64_t rows, std::int64_t cols, float* y) {
  const RowPlace<kLanes> at(rows);
  const float* const in = x + at.row * cols;
  const std::int64_t end = at.exists ? cols : 0;
  float largest = -INFINITY;  // passes over a NaN; the sum below does not
  for (std::int64_t c = at.lane; c < end; c += kLanes) largest = fmaxf(largest, in[c]);
  largest = warp_reduce<kLanes>(largest, Larger{});
  double total = 0;
  for (std::int64_t c = at.lane; c < end; c += kLanes)
    total += static_cast<double>(expf(in[c] - largest));
  total = warp_reduce<kLanes>(total, Add{});
  // y may be x: a lane writes only what it alone reads from here on.
  for (std::int64_t c = at.lane; c < end; c += kLanes)
    y[at.row * cols + c] = static_cast<float>(static_cast<double>(expf(in[c] - largest)) / total);
}

template <int kLanes>
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const float* y, const float* dy, std::int64_t rows, std::int64_t cols,
                    float* dx) {
  const RowPlace<kLanes> at(rows);
  const std::int64_t first = at.row * cols, end = at.exists ? cols : 0;
  double total = 0;
  for (std::int64_t c = at.lane; c < end; c += kLanes)
    total += static_cast<double>(y[first + c]) * static_cast<double>(dy[first + c]);
  total = warp_reduce<kLanes>(total, Add{});
  for (std::int64_t c = at.lane; c < end; c += kLanes)
    dx[first + c] = static_cast<float>(static_cast<double>(y[first + c]) *
                                       (static_cast<double>(dy[first + c]) - total));
}

// A detector with few classes has few columns: four lanes a row leave no more than two idle.
constexpr std::int64_t kFewColumns = 8;

}  // namespace

void softmax_forward(CudaStream stream, Rows<const float> x, Rows<float> y) {
  KT_CHECK(same_shape(x, y), "softmax_forward: x is {}x{}, y is {}x{}", x.rows, x.cols, y.rows,
           y.cols);
  if (x.empty()) return;
  const bool few = x.cols <= kFewColumns;
  launch("softmax_forward", few ? forward_kernel<4> : forward_kernel<kWarpSize>,
         num_blocks(x.rows * (few ? 4 : kWarpSize), kRowThreads), kRowThreads, stream, x.data,
         x.rows, x.cols, y.data);
}

void softmax_backward(CudaStream stream, Rows<const float> y, Rows<const float> dy,
                      Rows<float> dx) {
  KT_CHECK(same_shape(y, dy) && same_shape(y, dx),
           "softmax_backward: y is {}x{}, dy is {}x{}, dx is {}x{}", y.rows, y.cols, dy.rows,
           dy.cols, dx.rows, dx.cols);
  if (y.empty()) return;
  const bool few = y.cols <= kFewColumns;
  launch("softmax_backward", few ? backward_kernel<4> : backward_kernel<kWarpSize>,
         num_blocks(y.rows * (few ? 4 : kWarpSize), kRowThreads), kRowThreads, stream, y.data,
         dy.data, y.rows, y.cols, dx.data);
}

}  // namespace ktrain::cuda
