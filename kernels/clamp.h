// Numbers against limits, element by element. Empty input is a no-op.
//   clamp       x[i] = least where x[i] < least, most where x[i] > most; NaN stays NaN; in place
//   below       y[i] = 1 where x[i] < limit, else 0; a NaN is not below
//   complement  y[i] = 1 - x[i]
// y may be x. Throws Error when sizes differ.
#pragma once

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

template <class T>
void clamp(Span<T> x, double least, double most);
template <class T>
void below(Span<const T> x, Span<T> y, double limit);
template <class T>
void complement(Span<const T> x, Span<T> y);

}  // namespace cpu

namespace cuda {

void clamp(CudaStream stream, Span<float> x, double least, double most);
void below(CudaStream stream, Span<const float> x, Span<float> y, double limit);
void complement(CudaStream stream, Span<const float> x, Span<float> y);

}  // namespace cuda
}  // namespace ktrain
