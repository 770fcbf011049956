// A thread per four weights: four arrays read, three written, 28 bytes by weight. The formula and
// its order of operations are those of adamw.cpp.
#include "kernels/adamw.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kPerBlock = kThreads * 4;

struct Numbers {
  float decay, rate, mix_m, keep_v, mix_v, root_scale, eps, scale;
};

__device__ void update(const Numbers& n, float gradient, float& weight, float& m, float& v) {
  const float g = n.scale * gradient;
  m = m + n.mix_m * (g - m);
  v = n.keep_v * v + n.mix_v * g * g;
  weight = weight * n.decay - n.rate * (m / (sqrtf(v) / n.root_scale + n.eps));
}

__global__ void __launch_bounds__(kThreads)
    adamw_kernel(const float* gradient, const float* numbers, const float* gradient_scale,
                 std::int64_t size, bool aligned, float* weight, float* m, float* v) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * 4;
  if (i >= size) return;
  const std::int64_t count = size - i;
  const Numbers n = {numbers[kAdamwDecay], numbers[kAdamwRate], numbers[kAdamwMixM],
                     numbers[kAdamwKeepV], numbers[kAdamwMixV], numbers[kAdamwRootScale],
                     numbers[kAdamwEps],   gradient_scale[0]};
  if (n.scale != n.scale) return;  // NaN
  const float4 g = load_quad(gradient + i, aligned, count);
  float4 w = load_quad(weight + i, aligned, count);
  float4 first = load_quad(m + i, aligned, count);
  float4 second = load_quad(v + i, aligned, count);
  update(n, g.x, w.x, first.x, second.x);
  update(n, g.y, w.y, first.y, second.y);
  update(n, g.z, w.z, first.z, second.z);
  update(n, g.w, w.w, first.w, second.w);
  store_quad(weight + i, w, aligned, count);
  store_quad(m + i, first, aligned, count);
  store_quad(v + i, second, aligned, count);
}

}  // namespace

void adamw(CudaStream stream, Span<const float> gradient, Span<const float> numbers,
           Span<const float> gradient_scale, Span<float> weight, Span<float> m, Span<float> v) {
  KT_CHECK(gradient.size == weight.size && m.size == weight.size && v.size == weight.size,
           "adamw: {} weights, {} gradients, {} first and {} second moments", weight.size,
           gradient.size, m.size, v.size);
  KT_CHECK(numbers.size == kAdamwNumbers, "adamw: {} numbers, wanted {}", numbers.size,
           static_cast<int>(kAdamwNumbers));
  KT_CHECK(gradient_scale.size == 1, "adamw: gradient_scale has {} elements, wanted 1",
           gradient_scale.size);
  if (weight.empty()) return;
  const bool aligned = aligned_for_quads(gradient.data) && aligned_for_quads(weight.data) &&
                       aligned_for_quads(m.data) && aligned_for_quads(v.data);
  launch("adamw", adamw_kernel, num_blocks(weight.size, kPerBlock), kThreads, stream, gradient.data,
         numbers.data, gradient_scale.data, weight.size, aligned, weight.data, m.data, v.data);
}

}  // namespace ktrain::cuda
