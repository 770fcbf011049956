// A warp per row, which it reads twice (the second time from L1), four channels by lane at a time
// where the rows are made of quads. scale_rows: a thread per element.
#include "kernels/l2_normalize.h"

#include "kernels/check.h"
#include "kernels/device/lanes.cuh"
#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr double kLeastNorm = 1e-12;
constexpr std::int64_t kStride = kWarpSize * 4;  // channels that a warp takes at once

__device__ double product(const float4& a, const float4& b) {
  const double left = static_cast<double>(a.x) * static_cast<double>(b.x) +
                      static_cast<double>(a.y) * static_cast<double>(b.y);
  const double right = static_cast<double>(a.z) * static_cast<double>(b.z) +
                       static_cast<double>(a.w) * static_cast<double>(b.w);
  return left + right;
}

__device__ float part(float x, double length) {
  return length < kLeastNorm ? 0.0f : static_cast<float>(static_cast<double>(x) / length);
}

__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(const float* x, std::int64_t rows, std::int64_t cols, bool aligned, float* y,
                   float* norm) {
  const RowPlace<kWarpSize> at(rows);
  const std::int64_t first = at.row * cols, end = at.exists ? cols : 0;
  double sum = 0;
  for (std::int64_t c = at.lane * 4; c < end; c += kStride) {
    const float4 q = load_quad(x + first + c, aligned, cols - c);
    sum += product(q, q);
  }
  const double length = sqrt(warp_reduce(sum, Add{}));
  if (at.exists && at.lane == 0) norm[at.row] = static_cast<float>(length);
  // y may be x: a lane writes only what it alone reads from here on.
  for (std::int64_t c = at.lane * 4; c < end; c += kStride) {
    const float4 q = load_quad(x + first + c, aligned, cols - c);
    store_quad(
        y + first + c,
        make_float4(part(q.x, length), part(q.y, length), part(q.z, length), part(q.w, length)),
        aligned, cols - c);
  }
}

__device__ float slope(float y, float dy, double along, double length) {
  if (length < kLeastNorm) return 0;
  return static_cast<float>((static_cast<double>(dy) - static_cast<double>(y) * along) / length);
}

__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const float* y, const float* norm, const float* dy, std::int64_t rows,
                    std::int64_t cols, bool aligned, float* dx) {
  const RowPlace<kWarpSize> at(rows);
  const std::int64_t first = at.row * cols, end = at.exists ? cols : 0;
  double along = 0;
  for (std::int64_t c = at.lane * 4; c < end; c += kStride)
    along += product(load_quad(y + first + c, aligned, cols - c),
                     load_quad(dy + first + c, aligned, cols - c));
  along = warp_reduce(along, Add{});
  const double length = at.exists ? static_cast<double>(norm[at.row]) : 0;
  for (std::int64_t c = at.lane * 4; c < end; c += kStride) {
    const float4 out = load_quad(y + first + c, aligned, cols - c);
    const float4 grad = load_quad(dy + first + c, aligned, cols - c);
    store_quad(
        dx + first + c,
        make_float4(slope(out.x, grad.x, along, length), slope(out.y, grad.y, along, length),
                    slope(out.z, grad.z, along, length), slope(out.w, grad.w, along, length)),
        aligned, cols - c);
  }
}

__global__ void __launch_bounds__(kRowThreads)
    scale_kernel(const float* x, const float* factor, std::int64_t size, std::int64_t cols,
                 float* y) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kRowThreads + threadIdx.x;
  if (i < size) y[i] = factor[i / cols] * x[i];
}

void check_shapes(const char* kernel, Rows<const float> a, Rows<const float> b,
                  std::int64_t per_row) {
  KT_CHECK(same_shape(a, b) && per_row == a.rows, "{}: {}x{} and {}x{}, {} numbers for the rows",
           kernel, a.rows, a.cols, b.rows, b.cols, per_row);
}

bool quads(std::int64_t cols, const float* a, const float* b, const float* c) {
  return cols % 4 == 0 && aligned_for_quads(a) && aligned_for_quads(b) && aligned_for_quads(c);
}

}  // namespace

void l2_normalize_forward(CudaStream stream, Rows<const float> x, Rows<float> y, Span<float> norm) {
  check_shapes("l2_normalize_forward", x, y, norm.size);
  if (x.rows == 0) return;
  launch("l2_normalize_forward", forward_kernel, num_blocks(x.rows * kWarpSize, kRowThreads),
         kRowThreads, stream, x.data, x.rows, x.cols, quads(x.cols, x.data, y.data, y.data), y.data,
         norm.data);
}

void l2_normalize_backward(CudaStream stream, Rows<const float> y, Span<const float> norm,
                           Rows<const float> dy, Rows<float> dx) {
  check_shapes("l2_normalize_backward", y, dy, norm.size);
  check_shapes("l2_normalize_backward", y, dx, norm.size);
  if (y.empty()) return;
  launch("l2_normalize_backward", backward_kernel, num_blocks(y.rows * kWarpSize, kRowThreads),
         kRowThreads, stream, y.data, norm.data, dy.data, y.rows, y.cols,
         quads(y.cols, y.data, dy.data, dx.data), dx.data);
}

void scale_rows(CudaStream stream, Rows<const float> x, Span<const float> factor, Rows<float> y) {
  check_shapes("scale_rows", x, y, factor.size);
  if (x.empty()) return;
  launch("scale_rows", scale_kernel, num_blocks(x.size(), kRowThreads), kRowThreads, stream, x.data,
         factor.data, x.size(), x.cols, y.data);
}

}  // namespace ktrain::cuda
