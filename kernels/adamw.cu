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
  const auto chunk = static_cast<std::int32_t>(blockIdx.x);
  const int entry = list.entry_of(chunk);
  const float* const row = numbers + std::int64_t{list.row[entry]} * kAdamwNumbers;
  const Numbers n = {row[kAdamwDecay], row[kAdamwRate],      row[kAdamwMixM], row[kAdamwKeepV],
                     row[kAdamwMixV],  row[kAdamwRootScale], row[kAdamwEps],  gradient_scale[0]};
  if (n.scale != n.scale) return;  // NaN
  const std::int64_t begin = std::int64_t{chunk - list.first[entry]} * kChunk;
  const std::int64_t left = list.size[entry] - begin, count = left < kChunk ? left : kChunk;
  const float* const gradient = list.data[0][entry] + begin;
  float* const weight = list.data[1][entry] + begin;
  float* const m = list.data[2][entry] + begin;
  float* const v = list.data[3][entry] + begin;
  const bool aligned = list.in_quads(entry);
  for (std::int64_t i = threadIdx.x * 4; i < count; i += kThreads * 4) {
    const float4 g = load_quad(gradient + i, aligned, count - i);
    float4 w = load_quad(weight + i, aligned, count - i);
    float4 first = load_quad(m + i, aligned, count - i);
    float4 second = load_quad(v + i, aligned, count - i);
    update(n, g.x, w.x, first.x, second.x);
    update(n, g.y, w.y, first.y, second.y);
    update(n, g.z, w.z, first.z, second.z);
    update(n, g.w, w.w, first.w, second.w);
    store_quad(weight + i, w, aligned, count - i);
    store_quad(m + i, first, aligned, count - i);
    store_quad(v + i, second, aligned, count - i);
  }
}

}  // namespace

void adamw(CudaStream stream, Span<const AdamwTensor<float>> tensors, Span<const float> numbers,
           Span<const float> gradient_scale) {
  check_adamw(tensors, numbers, gradient_scale);
  List list{};
  for (std::int64_t k = 0; k < tensors.size; ++k) {
    const AdamwTensor<float>& x = tensors[k];
    // A list is of pointers that may be written to; the gradient is only read.
    list.add(x.weight.size, kChunk, x.row,
             {const_cast<float*>(x.gradient.data), x.weight.data, x.m.data, x.v.data});
    if (list.count == 0 || !(list.full() || k + 1 == tensors.size)) continue;
    launch("adamw", adamw_kernel, list.chunks(), kThreads, stream, list, numbers.data,
           gradient_scale.data);
    list = {};
  }
}

}  // namespace ktrain::cuda
