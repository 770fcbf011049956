// As adamw.cu: three arrays read, two written, 20 bytes by weight. The formula and its order of
// operations are those of sgd.cpp.
#include "kernels/sgd.h"

#include "kernels/checks/update.h"
#include "kernels/device/array_list.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kChunk = 4096;
using List = ArrayList<3, 80>;  // gradient, weight, velocity

struct Numbers {
  float rate, momentum, decay, scale;
};

__device__ void update(const Numbers& n, float gradient, float& weight, float& velocity) {
  velocity = n.momentum * velocity + (n.scale * gradient + n.decay * weight);
  weight = weight - n.rate * velocity;
}

__global__ void __launch_bounds__(kThreads)
    sgd_kernel(const __grid_constant__ List list, const float* numbers,
               const float* gradient_scale) {
  const int entry = list.entry_of(static_cast<std::int32_t>(blockIdx.x));
  const float* const row = numbers + std::int64_t{list.row[entry]} * kSgdNumbers;
  const Numbers n = {row[kSgdRate], row[kSgdMomentum], row[kSgdDecay], gradient_scale[0]};
  if (n.scale != n.scale) return;  // NaN
  update_chunk<kThreads, kChunk>(list, entry, [&n](float(&x)[3]) { update(n, x[0], x[1], x[2]); });
}

}  // namespace

void sgd(CudaStream stream, Span<const SgdTensor<float>> tensors, Span<const float> numbers,
         Span<const float> gradient_scale) {
  check_sgd(tensors, numbers, gradient_scale);
  for_lists<List>(
      tensors.size,
      [&](List& list, std::int64_t k) {
        const SgdTensor<float>& x = tensors[k];
        // A list is of pointers that may be written to; the gradient is only read.
        list.add(x.weight.size, kChunk, x.row,
                 {const_cast<float*>(x.gradient.data), x.weight.data, x.velocity.data});
      },
      [&](const List& list) {
        launch("sgd", sgd_kernel, list.chunks(), kThreads, stream, list, numbers.data,
               gradient_scale.data);
      });
}

}  // namespace ktrain::cuda
