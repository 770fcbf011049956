// One kernel serves all the arithmetic but weighted_sum: device/map.cuh with an operation each,
// which gets the element that y had (when it asks) and the inputs', and returns y's.
#include "kernels/elementwise.h"

#include "kernels/check.h"
#include "kernels/device/map.cuh"

namespace ktrain::cuda {
namespace {

// The operations. prepare() is called once by every thread: what stands in memory is read there.
struct Fill {
  float value;
  __device__ void prepare() {}
  __device__ float operator()() const { return value; }
};
struct Copy {
  __device__ void prepare() {}
  __device__ float operator()(float x) const { return x; }
};
struct Sum {
  __device__ void prepare() {}
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Product {
  __device__ void prepare() {}
  __device__ float operator()(float a, float b) const { return a * b; }
};
struct Scale {
  float factor;
  __device__ void prepare() {}
  __device__ float operator()(float x) const { return factor * x; }
};
struct ScaleBy {
  const float* memory;
  float factor = 0;
  __device__ void prepare() { factor = memory[0]; }
  __device__ float operator()(float x) const { return factor * x; }
};
struct AddScaled {
  float factor;
  __device__ void prepare() {}
  __device__ float operator()(float x, float y) const { return y + factor * x; }
};
struct Blend {
  float keep, rest;
  __device__ void prepare() {}
  __device__ float operator()(float x, float y) const { return keep * y + rest * x; }
};
struct BlendBy {
  const float* memory;
  float keep = 0, rest = 0;
  __device__ void prepare() { keep = memory[0], rest = memory[1]; }
  __device__ float operator()(float x, float y) const {
    return keep == 0 ? x : keep * y + rest * x;
  }
};
struct MoveToward {
  float keep;
  __device__ void prepare() {}
  __device__ float operator()(float x, float y) const { return x + keep * (y - x); }
};
struct Relu {
  __device__ void prepare() {}
  // A NaN, for which no comparison holds, is kept.
  __device__ float operator()(float x) const { return x <= 0 ? 0.0f : x; }
};
struct ReluGradient {
  __device__ void prepare() {}
  __device__ float operator()(float y, float dy) const { return y > 0 ? dy : 0.0f; }
};

// Terms without their sizes, which are all the same.
struct TermPointers {
  const float* terms[Terms<float>::kCapacity];
  int count;
};

__global__ void __launch_bounds__(kMapThreads)
    weighted_sum_kernel(TermPointers from, const float* weights, std::int64_t size, bool aligned,
                        float* y) {
  const std::int64_t i = (std::int64_t{blockIdx.x} * kMapThreads + threadIdx.x) * 4;
  if (i >= size) return;
  const std::int64_t count = size - i;
  float4 total = make_float4(0, 0, 0, 0);
  for (int k = 0; k < from.count; ++k) {
    const float weight = weights[k];
    const float4 x = load_quad(from.terms[k] + i, aligned, count);
    total = by_element([weight](float sum, float term) { return sum + weight * term; }, total, x);
  }
  store_quad(y + i, total, aligned, count);
}

}  // namespace

void fill(CudaStream stream, Span<float> y, double value) {
  map("fill", stream, Fill{static_cast<float>(value)}, y);
}
void copy(CudaStream stream, Span<const float> x, Span<float> y) {
  map("copy", stream, Copy{}, y, x);
}
template <class From, class To>
void convert(CudaStream stream, Span<const From> x, Span<To> y) {
  map("convert", stream, Copy{}, y, x);
}
template <class T>
void add(CudaStream stream, Span<const T> a, Span<const T> b, Span<T> y) {
  map("add", stream, Sum{}, y, a, b);
}
void multiply(CudaStream stream, Span<const float> a, Span<const float> b, Span<float> y) {
  map("multiply", stream, Product{}, y, a, b);
}
void scale(CudaStream stream, Span<const float> x, Span<float> y, double factor) {
  map("scale", stream, Scale{static_cast<float>(factor)}, y, x);
}
void scale_by(CudaStream stream, Span<const float> x, Span<const float> factor, Span<float> y) {
  KT_CHECK(factor.size == 1, "scale_by: the factor has {} elements, wanted 1", factor.size);
  map("scale_by", stream, ScaleBy{factor.data}, y, x);
}
template <class T>
void accumulate(CudaStream stream, Span<const T> x, Span<T> y) {
  map("accumulate", stream, Sum{}, y, y, x);
}
void accumulate_scaled(CudaStream stream, Span<const float> x, Span<float> y, double factor) {
  map("accumulate_scaled", stream, AddScaled{static_cast<float>(factor)}, y, x, y);
}
void blend(CudaStream stream, Span<const float> x, Span<float> y, double keep) {
  map("blend", stream, Blend{static_cast<float>(keep), static_cast<float>(1.0 - keep)}, y, x, y);
}
void blend_by(CudaStream stream, Span<const float> x, Span<float> y, Span<const float> factors) {
  KT_CHECK(factors.size == 2, "blend_by: {} factors, wanted 2", factors.size);
  map("blend_by", stream, BlendBy{factors.data}, y, x, y);
}
void move_toward(CudaStream stream, Span<const float> x, Span<float> y, double keep) {
  map("move_toward", stream, MoveToward{static_cast<float>(keep)}, y, x, y);
}
template <class T>
void relu_forward(CudaStream stream, Span<const T> x, Span<T> y) {
  map("relu_forward", stream, Relu{}, y, x);
}
template <class T>
void relu_backward(CudaStream stream, Span<const T> y, Span<const T> dy, Span<T> dx) {
  map("relu_backward", stream, ReluGradient{}, dx, y, dy);
}

void weighted_sum(CudaStream stream, const Terms<float>& terms, Span<const float> weights,
                  Span<float> y) {
  KT_CHECK(terms.count >= 0 && terms.count <= Terms<float>::kCapacity,
           "weighted_sum: {} terms, at most {} allowed", terms.count, Terms<float>::kCapacity);
  KT_CHECK(weights.size == terms.count, "weighted_sum: {} weights for {} terms", weights.size,
           terms.count);
  TermPointers from{};
  from.count = terms.count;
  bool aligned = aligned_for_quads(y.data);
  for (int k = 0; k < terms.count; ++k) {
    const Span<const float> term = terms.terms[static_cast<std::size_t>(k)];
    KT_CHECK(term.size == y.size, "weighted_sum: an input has {} elements, the output {}",
             term.size, y.size);
    from.terms[k] = term.data;
    aligned = aligned && aligned_for_quads(term.data);
  }
  if (y.empty()) return;
  launch("weighted_sum", weighted_sum_kernel, num_blocks(y.size, kMapPerBlock), kMapThreads, stream,
         from, weights.data, y.size, aligned, y.data);
}

#define KT_INSTANTIATE(T)                                               \
  template void add(CudaStream, Span<const T>, Span<const T>, Span<T>); \
  template void accumulate(CudaStream, Span<const T>, Span<T>);         \
  template void relu_forward(CudaStream, Span<const T>, Span<T>);       \
  template void relu_backward(CudaStream, Span<const T>, Span<const T>, Span<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE
template void convert(CudaStream, Span<const float>, Span<Bfloat16>);
template void convert(CudaStream, Span<const Bfloat16>, Span<float>);

}  // namespace ktrain::cuda
