// Arithmetic on flat runs, element by element.
//   fill                 y[i] = value
//   copy                 y[i] = x[i]
//   convert              y[i] = x[i] in another type: exact to float, to the nearest to bf16
//   add                  y[i] = a[i] + b[i]
//   multiply             y[i] = a[i] * b[i]
//   scale                y[i] = factor * x[i]
//   scale_by             y[i] = factor[0] * x[i], the factor read from memory
//   accumulate           y[i] += x[i]
//   accumulate_scaled    y[i] += factor * x[i]
//   blend                y[i] = keep * y[i] + (1 - keep) * x[i]   (moving averages)
//   blend_by             y[i] = factors[0] * y[i] + factors[1] * x[i], the factors read from
//   memory;
//                        x[i] when factors[0] is 0 (nothing of y is left)
//   move_toward          y[i] = x[i] + keep * (y[i] - x[i])   (nothing of y is left at keep 0)
//   weighted_sum         y[i] = sum_k weights[k] * terms[k][i], in the order of k
//   relu_forward         y[i] = x[i] > 0 ? x[i] : 0; NaN stays NaN
//   relu_backward        dx[i] = y[i] > 0 ? dy[i] : 0, y being the output of the forward
// Sizes must agree, or Error is thrown. Empty input is a no-op. An output may be the same memory as
// an input of the same size; otherwise they must not overlap (convert's never may). Maps of
// Bfloat16 are computed with in float and each result is rounded once.
#pragma once

#include <array>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// What weighted_sum adds: the first `count` spans.
template <class T>
struct Terms {
  static constexpr int kCapacity = 16;
  std::array<Span<const T>, kCapacity> terms{};
  int count = 0;
};

namespace cpu {

template <class T>
void fill(Span<T> y, double value);
template <class T>
void copy(Span<const T> x, Span<T> y);
template <class From, class To>
void convert(Span<const From> x, Span<To> y);
template <class T>
void add(Span<const T> a, Span<const T> b, Span<T> y);
template <class T>
void multiply(Span<const T> a, Span<const T> b, Span<T> y);
template <class T>
void scale(Span<const T> x, Span<T> y, double factor);
template <class T>
void scale_by(Span<const T> x, Span<const T> factor, Span<T> y);
template <class T>
void accumulate(Span<const T> x, Span<T> y);
template <class T>
void accumulate_scaled(Span<const T> x, Span<T> y, double factor);
template <class T>
void blend(Span<const T> x, Span<T> y, double keep);
template <class T>
void blend_by(Span<const T> x, Span<T> y, Span<const T> factors);
template <class T>
void move_toward(Span<const T> x, Span<T> y, double keep);
template <class T>
void weighted_sum(const Terms<T>& terms, Span<const T> weights, Span<T> y);
template <class T>
void relu_forward(Span<const T> x, Span<T> y);
template <class T>
void relu_backward(Span<const T> y, Span<const T> dy, Span<T> dx);

}  // namespace cpu

namespace cuda {

void fill(CudaStream stream, Span<float> y, double value);
void copy(CudaStream stream, Span<const float> x, Span<float> y);
// float to Bfloat16 and back.
template <class From, class To>
void convert(CudaStream stream, Span<const From> x, Span<To> y);
// add, accumulate and the ReLU: float and Bfloat16.
template <class T>
void add(CudaStream stream, Span<const T> a, Span<const T> b, Span<T> y);
void multiply(CudaStream stream, Span<const float> a, Span<const float> b, Span<float> y);
void scale(CudaStream stream, Span<const float> x, Span<float> y, double factor);
void scale_by(CudaStream stream, Span<const float> x, Span<const float> factor, Span<float> y);
template <class T>
void accumulate(CudaStream stream, Span<const T> x, Span<T> y);
void accumulate_scaled(CudaStream stream, Span<const float> x, Span<float> y, double factor);
void blend(CudaStream stream, Span<const float> x, Span<float> y, double keep);
void blend_by(CudaStream stream, Span<const float> x, Span<float> y, Span<const float> factors);
void move_toward(CudaStream stream, Span<const float> x, Span<float> y, double keep);
void weighted_sum(CudaStream stream, const Terms<float>& terms, Span<const float> weights,
                  Span<float> y);
template <class T>
void relu_forward(CudaStream stream, Span<const T> x, Span<T> y);
template <class T>
void relu_backward(CudaStream stream, Span<const T> y, Span<const T> dy, Span<T> dx);

}  // namespace cuda
}  // namespace ktrain
