// Arithmetic on flat runs of float or Bfloat16, element by element, in float: a thread per four
// elements; every byte is read and written once.
#pragma once

#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"
#include "kernels/view.h"

namespace ktrain {

constexpr int kMapThreads = 256;
constexpr std::int64_t kMapPerBlock = kMapThreads * 4;

// Applies a function of scalars to the elements of quads.
template <class F, class... Quads>
__device__ __forceinline__ float4 by_element(F f, const Quads&... q) {
  return make_float4(f(q.x...), f(q.y...), f(q.z...), f(q.w...));
}

// y may be one of the inputs: a thread reads its elements before it writes them.
template <class Op, class T, class... Inputs>
__global__ void __launch_bounds__(kMapThreads)
    map_kernel(Op op, std::int64_t size, bool aligned, T* y, Inputs... inputs) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kMapThreads + threadIdx.x) * 4;
  if (i >= size) return;
  const std::int64_t count = size - i;
  op.prepare();
  const float4 result = by_element(op, load_quad(inputs + i, aligned, count)...);
  store_quad(y + i, result, aligned, count);
}

// y[i] = op(inputs[i]...). Every thread calls op.prepare() once: what stands in memory is read
// there. Throws Error when sizes differ.
template <class Op, class T, class... Inputs>
void map(const char* name, CudaStream stream, Op op, Span<T> y, Inputs... inputs) {
  [[maybe_unused]] const auto check = [&](const auto& x) {
    KT_CHECK(x.size == y.size, "{}: an input has {} elements, the output {}", name, x.size, y.size);
  };
  (check(inputs), ...);
  if (y.empty()) return;
  const bool aligned = aligned_for_quads(y.data) && (aligned_for_quads(inputs.data) && ...);
  launch(name, map_kernel<Op, T, decltype(inputs.data)...>, num_blocks(y.size, kMapPerBlock),
         kMapThreads, stream, op, y.size, aligned, y.data, inputs.data...);
}

}  // namespace ktrain
