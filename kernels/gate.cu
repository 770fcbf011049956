// A thread per four elements; every byte is read and written once. The formulas and their order are
// those of gate.cpp; only expf may differ in its last bit.
#include "kernels/gate.h"

#include "kernels/check.h"
#include "kernels/device/map.cuh"

namespace ktrain::cuda {
namespace {

// exp of a negative number only: it cannot overflow.
__device__ float sigmoid(float z) {
  const float e = expf(-fabsf(z));
  return (z < 0 ? e : 1.0f) / (1.0f + e);
}

struct Blend {
  __device__ void prepare() {}
  __device__ float operator()(float z, float a, float b) const {
    const float g = sigmoid(z);
    return g * a + (1.0f - g) * b;
  }
};

// Null where not wanted.
template <class T>
struct Outputs {
  T *dz, *da, *db;
};

template <class T>
__global__ void __launch_bounds__(kMapThreads)
    backward_kernel(const T* z, const T* a, const T* b, const T* dy, std::int64_t size,
                    bool aligned, Outputs<T> out) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kMapThreads + threadIdx.x) * 4;
  if (i >= size) return;
  const std::int64_t count = size - i;
  const auto opening = [](float logit) { return sigmoid(logit); };
  const float4 g = by_element(opening, load_quad(z + i, aligned, count));
  const float4 d = load_quad(dy + i, aligned, count);
  if (out.dz) {
    const auto f = [](float gate, float left, float right, float gradient) {
      return gate * (1.0f - gate) * (left - right) * gradient;
    };
    store_quad(
        out.dz + i,
        by_element(f, g, load_quad(a + i, aligned, count), load_quad(b + i, aligned, count), d),
        aligned, count);
  }
  const auto open = [](float gate, float gradient) { return gate * gradient; };
  const auto shut = [](float gate, float gradient) { return (1.0f - gate) * gradient; };
  if (out.da) store_quad(out.da + i, by_element(open, g, d), aligned, count);
  if (out.db) store_quad(out.db + i, by_element(shut, g, d), aligned, count);
}

}  // namespace

template <class T>
void gate_forward(CudaStream stream, Span<const T> z, Span<const T> a, Span<const T> b, Span<T> y) {
  KT_CHECK(z.size == y.size && a.size == y.size && b.size == y.size,
           "gate_forward: z has {} elements, a {}, b {}, y {}", z.size, a.size, b.size, y.size);
  map("gate_forward", stream, Blend{}, y, z, a, b);
}

template <class T>
void gate_backward(CudaStream stream, Span<const T> z, Span<const T> a, Span<const T> b,
                   Span<const T> dy, Span<T> dz, Span<T> da, Span<T> db) {
  const auto fits = [&](const Span<T>& d) { return d.empty() || d.size == dy.size; };
  KT_CHECK(z.size == dy.size && a.size == dy.size && b.size == dy.size && fits(dz) && fits(da) &&
               fits(db),
           "gate_backward: z has {} elements, a {}, b {}, dy {}, dz {}, da {}, db {}", z.size,
           a.size, b.size, dy.size, dz.size, da.size, db.size);
  if (dy.empty()) return;
  const auto wanted = [](const Span<T>& d) { return d.empty() ? nullptr : d.data; };
  const Outputs<T> out{wanted(dz), wanted(da), wanted(db)};
  const bool aligned = aligned_for_quads(z.data) && aligned_for_quads(a.data) &&
                       aligned_for_quads(b.data) && aligned_for_quads(dy.data) &&
                       aligned_for_quads(out.dz) && aligned_for_quads(out.da) &&
                       aligned_for_quads(out.db);
  launch("gate_backward", backward_kernel<T>, num_blocks(dy.size, kMapPerBlock), kMapThreads,
         stream, z.data, a.data, b.data, dy.data, dy.size, aligned, out);
}

#define KT_INSTANTIATE(T)                                                                       \
  template void gate_forward(CudaStream, Span<const T>, Span<const T>, Span<const T>, Span<T>); \
  template void gate_backward(CudaStream, Span<const T>, Span<const T>, Span<const T>,          \
                              Span<const T>, Span<T>, Span<T>, Span<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cuda
