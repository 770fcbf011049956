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
  const auto chunk = static_cast<std::int32_t>(blockIdx.x);
  const int entry = list.entry_of(chunk);
  const float* const row = numbers + std::int64_t{list.row[entry]} * kSgdNumbers;
  const Numbers n = {row[kSgdRate], row[kSgdMomentum], row[kSgdDecay], gradient_scale[0]};
  if (n.scale != n.scale) return;  // NaN
  const std::int64_t begin = std::int64_t{chunk - list.first[entry]} * kChunk;
  const std::int64_t left = list.size[entry] - begin, count = left < kChunk ? left : kChunk;
  const float* const gradient = list.data[0][entry] + begin;
  float* const weight = list.data[1][entry] + begin;
  float* const velocity = list.data[2][entry] + begin;
  const bool aligned = list.in_quads(entry);
  for (std::int64_t i = threadIdx.x * 4; i < count; i += kThreads * 4) {
    const float4 g = load_quad(gradient + i, aligned, count - i);
    float4 w = load_quad(weight + i, aligned, count - i);
    float4 v = load_quad(velocity + i, aligned, count - i);
    update(n, g.x, w.x, v.x);
    update(n, g.y, w.y, v.y);
    update(n, g.z, w.z, v.z);
    update(n, g.w, w.w, v.w);
    store_quad(weight + i, w, aligned, count - i);
    store_quad(velocity + i, v, aligned, count - i);
  }
}

}  // namespace

void sgd(CudaStream stream, Span<const SgdTensor<float>> tensors, Span<const float> numbers,
         Span<const float> gradient_scale) {
  check_sgd(tensors, numbers, gradient_scale);
  List list{};
  for (std::int64_t k = 0; k < tensors.size; ++k) {
    const SgdTensor<float>& x = tensors[k];
    // A list is of pointers that may be written to; the gradient is only read.
    list.add(x.weight.size, kChunk, x.row,
             {const_cast<float*>(x.gradient.data), x.weight.data, x.velocity.data});
    if (list.count == 0 || !(list.full() || k + 1 == tensors.size)) continue;
    launch("sgd", sgd_kernel, list.chunks(), kThreads, stream, list, numbers.data,
           gradient_scale.data);
    list = {};
  }
}

}  // namespace ktrain::cuda
