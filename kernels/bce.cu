// Forward: device/sum.cuh over the logits; those with a label of -1 are read no further, the others
// take an exp and a log in double, as on the CPU. Backward: a thread per logit, 12 bytes each.
#include "kernels/bce.h"

#include "kernels/check.h"
#include "kernels/device/sum.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;

struct BceTerm {
  const float* x;
  const std::int32_t* labels;
  __device__ double operator()(std::int64_t i) const {
    const std::int32_t label = labels[i];
    if (label == -1) return 0;
    if (label < -1 || label > 1) return NAN;
    const double z = static_cast<double>(x[i]);
    // In this order a NaN reaches the sum.
    return (z < 0.0 ? 0.0 : z) - z * label + log1p(exp(-fabs(z)));
  }
};

// dx may be x: an element is read by the thread that writes it.
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const float* x, const std::int32_t* labels, const float* avg_factor,
                    const float* dloss, std::int64_t size, float* dx) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= size) return;
  const std::int32_t label = labels[i];
  const float factor = dloss[0] / averaging(avg_factor);
  const float slope = 1.0f / (1.0f + expf(-x[i])) - static_cast<float>(label);
  dx[i] = label == -1 ? 0.0f : label < -1 || label > 1 ? NAN : factor * slope;
}

void check_sizes(const char* kernel, Span<const float> x, Span<const std::int32_t> labels,
                 Span<const float> avg_factor, std::int64_t one) {
  KT_CHECK(labels.size == x.size, "{}: {} logits, {} labels", kernel, x.size, labels.size);
  KT_CHECK(avg_factor.size == 1 && one == 1,
           "{}: avg_factor has {} elements, the loss or its gradient {}, 1 wanted", kernel,
           avg_factor.size, one);
}

}  // namespace

void bce_forward(CudaStream stream, Span<const float> x, Span<const std::int32_t> labels,
                 Span<const float> avg_factor, Span<float> loss, Span<std::byte> scratch) {
  check_sizes("bce_forward", x, labels, avg_factor, loss.size);
  sum_terms("bce_forward", stream, x.size, BceTerm{x.data, labels.data},
            AverageLoss{avg_factor.data, loss.data}, scratch);
}

void bce_backward(CudaStream stream, Span<const float> x, Span<const std::int32_t> labels,
                  Span<const float> avg_factor, Span<const float> dloss, Span<float> dx) {
  check_sizes("bce_backward", x, labels, avg_factor, dloss.size);
  KT_CHECK(dx.size == x.size, "bce_backward: {} logits, dx has {}", x.size, dx.size);
  if (x.empty()) return;
  launch("bce_backward", backward_kernel, num_blocks(x.size, kThreads), kThreads, stream, x.data,
         labels.data, avg_factor.data, dloss.data, x.size, dx.data);
}

}  // namespace ktrain::cuda
