// Forward: device/sum.cuh over the rows; those without a slot are read no further, the others read
// one box. Backward: a thread per box of a row, one 16-byte write each.
#include "kernels/box_loss.h"

#include "kernels/check.h"
#include "kernels/device/sum.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;

struct BoxTerm {
  const float* x;
  const float* target;
  const std::int32_t* slots;
  std::int64_t boxes;  // of a row
  double beta;
  bool aligned;

  __device__ double length(float x_, float target_) const {
    const double d = fabs(static_cast<double>(x_) - static_cast<double>(target_));
    return d < beta ? d * d / (2 * beta) : d - beta / 2;
  }
  __device__ double operator()(std::int64_t r) const {
    const std::int32_t slot = slots[r];
    if (slot == -1) return 0;
    if (slot < -1 || slot >= boxes) return NAN;
    const float4 from = load_quad(x + (r * boxes + slot) * 4, aligned);
    const float4 to = load_quad(target + r * 4, aligned);
    return length(from.x, to.x) + length(from.y, to.y) + length(from.z, to.z) +
           length(from.w, to.w);
  }
};

__device__ float slope(float d, float beta) {
  if (fabsf(d) < beta) return d / beta;
  if (d == 0.0f) return 0;
  return d > 0.0f ? 1.0f : d < 0.0f ? -1.0f : d;  // a NaN stays one
}

__global__ void __launch_bounds__(kThreads)
    backward_kernel(const float* x, const float* target, const std::int32_t* slots,
                    const float* avg_factor, const float* dloss, std::int64_t size,
                    std::int64_t boxes, float beta, bool aligned, float* dx) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= size) return;
  const std::int64_t r = i / boxes;
  const std::int32_t slot = slots[r];
  float4 result = make_float4(0, 0, 0, 0);
  if (slot < -1 || slot >= boxes) {
    result = make_float4(NAN, NAN, NAN, NAN);
  } else if (i - r * boxes == slot) {
    const float factor = dloss[0] / averaging(avg_factor);
    const float4 from = load_quad(x + i * 4, aligned), to = load_quad(target + r * 4, aligned);
    result = make_float4(factor * slope(from.x - to.x, beta), factor * slope(from.y - to.y, beta),
                         factor * slope(from.z - to.z, beta), factor * slope(from.w - to.w, beta));
  }
  store_quad(dx + i * 4, result, aligned);
}

void check_sizes(const char* kernel, Rows<const float> x, Rows<const float> target,
                 Span<const std::int32_t> slots, Span<const float> avg_factor, std::int64_t one,
                 double beta) {
  KT_CHECK(x.cols % 4 == 0 && target.rows == x.rows && target.cols == 4 && slots.size == x.rows,
           "{}: x is {}x{}, target {}x{}, {} slots", kernel, x.rows, x.cols, target.rows,
           target.cols, slots.size);
  KT_CHECK(avg_factor.size == 1 && one == 1,
           "{}: avg_factor has {} elements, the loss or its gradient {}, 1 wanted", kernel,
           avg_factor.size, one);
  KT_CHECK(beta >= 0, "{}: beta is {}", kernel, beta);
}

}  // namespace

void box_loss_forward(CudaStream stream, Rows<const float> x, Rows<const float> target,
                      Span<const std::int32_t> slots, Span<const float> avg_factor,
                      Span<float> loss, Span<std::byte> scratch, double beta) {
  check_sizes("box_loss_forward", x, target, slots, avg_factor, loss.size, beta);
  const bool aligned = aligned_for_quads(x.data) && aligned_for_quads(target.data);
  sum_terms("box_loss_forward", stream, x.rows,
            BoxTerm{x.data, target.data, slots.data, x.cols / 4, beta, aligned},
            AverageLoss{avg_factor.data, loss.data}, scratch);
}

void box_loss_backward(CudaStream stream, Rows<const float> x, Rows<const float> target,
                       Span<const std::int32_t> slots, Span<const float> avg_factor,
                       Span<const float> dloss, Rows<float> dx, double beta) {
  check_sizes("box_loss_backward", x, target, slots, avg_factor, dloss.size, beta);
  KT_CHECK(same_shape(x, dx), "box_loss_backward: x is {}x{}, dx {}x{}", x.rows, x.cols, dx.rows,
           dx.cols);
  if (x.empty()) return;
  const bool aligned =
      aligned_for_quads(x.data) && aligned_for_quads(target.data) && aligned_for_quads(dx.data);
  const std::int64_t size = x.size() / 4;
  launch("box_loss_backward", backward_kernel, num_blocks(size, kThreads), kThreads, stream, x.data,
         target.data, slots.data, avg_factor.data, dloss.data, size, x.cols / 4, beta, aligned,
         dx.data);
}

}  // namespace ktrain::cuda
