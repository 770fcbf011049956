// A learned blend of two runs, element by element, with g = 1 / (1 + exp(-z)).
//   forward:   y[i]  = g[i] * a[i] + (1 - g[i]) * b[i]
//   backward:  da[i] = g[i] * dy[i]
//              db[i] = (1 - g[i]) * dy[i]
//              dz[i] = g[i] * (1 - g[i]) * (a[i] - b[i]) * dy[i]
// Sizes must agree, or Error is thrown. Empty input is a no-op. y may alias any input; of the
// backward's outputs each may be an empty span (not wanted) and must not overlap the inputs. T:
// float, Bfloat16 (arithmetic in float, rounded once) and, on the CPU, double.
#pragma once

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

template <class T>
void gate_forward(Span<const T> z, Span<const T> a, Span<const T> b, Span<T> y);
template <class T>
void gate_backward(Span<const T> z, Span<const T> a, Span<const T> b, Span<const T> dy, Span<T> dz,
                   Span<T> da, Span<T> db);

}  // namespace cpu

namespace cuda {

template <class T>
void gate_forward(CudaStream stream, Span<const T> z, Span<const T> a, Span<const T> b, Span<T> y);
template <class T>
void gate_backward(CudaStream stream, Span<const T> z, Span<const T> a, Span<const T> b,
                   Span<const T> dy, Span<T> dz, Span<T> da, Span<T> db);

}  // namespace cuda
}  // namespace ktrain
