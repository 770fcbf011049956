// Tensors are cut into chunks of 4096 weights, a block each, four of them at a time by thread: four
// arrays read, three written, 28 bytes by weight. The formula and its order of operations are those
// of adamw.cpp.
#include "kernels/adamw.h"

#include "kernels/checks/update.h"
#include "kernels/device/array_list.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kChunk = 4096;
using List = ArrayList<4, 80>;  // gradient, weight, m, v

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
    adamw_kernel(const __grid_constant__ List list, const float* numbers,
                 const float* gradient_scale) {
  const int entry = list.entry_of(static_cast<std::int32_t>(blockIdx.x));
  const float* const row = numbers + std::int64_t{list.row[entry]} * kAdamwNumbers;
  const Numbers n = {row[kAdamwDecay], row[kAdamwRate],      row[kAdamwMixM], row[kAdamwKeepV],
                     row[kAdamwMixV],  row[kAdamwRootScale], row[kAdamwEps],  gradient_scale[0]};
  if (n.scale != n.scale) return;  // NaN
  update_chunk<kThreads, kChunk>(list, entry,
                                 [&n](float(&x)[4]) { update(n, x[0], x[1], x[2], x[3]); });
}

}  // namespace

void adamw(CudaStream stream, Span<const AdamwTensor<float>> tensors, Span<const float> numbers,
           Span<const float> gradient_scale) {
  check_adamw(tensors, numbers, gradient_scale);
  for_lists<List>(
      tensors.size,
      [&](List& list, std::int64_t k) {
        const AdamwTensor<float>& x = tensors[k];
        // A list is of pointers that may be written to; the gradient is only read.
        list.add(x.weight.size, kChunk, x.row,
                 {const_cast<float*>(x.gradient.data), x.weight.data, x.m.data, x.v.data});
      },
      [&](const List& list) {
        launch("adamw", adamw_kernel, list.chunks(), kThreads, stream, list, numbers.data,
               gradient_scale.data);
      });
}

}  // namespace ktrain::cuda
