// A thread per four weights: three arrays read, two written, 20 bytes by weight. The formula and
// its order of operations are those of sgd.cpp.
#include "kernels/sgd.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kPerBlock = kThreads * 4;

struct Numbers {
  float rate, momentum, decay, scale;
};

__device__ void update(const Numbers& n, float gradient, float& weight, float& velocity) {
  velocity = n.momentum * velocity + (n.scale * gradient + n.decay * weight);
  weight = weight - n.rate * velocity;
}

__global__ void __launch_bounds__(kThreads)
    sgd_kernel(const float* gradient, const float* numbers, const float* gradient_scale,
               std::int64_t size, bool aligned, float* weight, float* velocity) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * 4;
  if (i >= size) return;
  const std::int64_t count = size - i;
  const Numbers n = {numbers[kSgdRate], numbers[kSgdMomentum], numbers[kSgdDecay],
                     gradient_scale[0]};
  if (n.scale != n.scale) return;  // NaN
  const float4 g = load_quad(gradient + i, aligned, count);
  float4 w = load_quad(weight + i, aligned, count), v = load_quad(velocity + i, aligned, count);
  update(n, g.x, w.x, v.x);
  update(n, g.y, w.y, v.y);
  update(n, g.z, w.z, v.z);
  update(n, g.w, w.w, v.w);
  store_quad(weight + i, w, aligned, count);
  store_quad(velocity + i, v, aligned, count);
}

}  // namespace

void sgd(CudaStream stream, Span<const float> gradient, Span<const float> numbers,
         Span<const float> gradient_scale, Span<float> weight, Span<float> velocity) {
  KT_CHECK(gradient.size == weight.size && velocity.size == weight.size,
           "sgd: {} weights, {} gradients, {} velocities", weight.size, gradient.size,
           velocity.size);
  KT_CHECK(numbers.size == kSgdNumbers && gradient_scale.size == 1,
           "sgd: {} numbers, wanted {}; gradient_scale has {} elements, wanted 1", numbers.size,
           static_cast<int>(kSgdNumbers), gradient_scale.size);
  if (weight.empty()) return;
  const bool aligned = aligned_for_quads(gradient.data) && aligned_for_quads(weight.data) &&
                       aligned_for_quads(velocity.data);
  launch("sgd", sgd_kernel, num_blocks(weight.size, kPerBlock), kThreads, stream, gradient.data,
         numbers.data, gradient_scale.data, weight.size, aligned, weight.data, velocity.data);
}

}  // namespace ktrain::cuda
