// Sums and other reductions. Results are written to memory, never returned: no op tells the host.
//   sum               y[0] = sum_i x[i]
//   sum_of_squares    y[0] = sum_i x[i]^2
//   dot               y[0] = sum_i a[i] * b[i]
//   max_abs           y[0] = max_i |x[i]|, 0 for empty x, NaN when any x is NaN
//   count_nonfinite   y[0] = how many x are infinite or NaN; stops at 2^31 - 1
//   column_sums       y[c] = sum_r x[r,c]
// Sums are taken in double and in an order that depends on the shape alone, never on the number of
// threads, so two runs agree to the last bit. `scratch` holds at least kReduceScratch elements,
// which are overwritten; calls that may run at the same time need their own. Empty x gives 0.
// Outputs must not overlap inputs. Wrong sizes throw Error.
#pragma once

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

constexpr std::int64_t kReduceScratch = 8192;

namespace cpu {

template <class T>
void sum(Span<const T> x, Span<double> scratch, Span<T> y);
template <class T>
void sum_of_squares(Span<const T> x, Span<double> scratch, Span<T> y);
template <class T>
void dot(Span<const T> a, Span<const T> b, Span<double> scratch, Span<T> y);
template <class T>
void max_abs(Span<const T> x, Span<double> scratch, Span<T> y);
template <class T>
void count_nonfinite(Span<const T> x, Span<double> scratch, Span<std::int32_t> y);
template <class T>
void column_sums(Rows<const T> x, Span<double> scratch, Span<T> y);

}  // namespace cpu

namespace cuda {

void sum(CudaStream stream, Span<const float> x, Span<double> scratch, Span<float> y);
void sum_of_squares(CudaStream stream, Span<const float> x, Span<double> scratch, Span<float> y);
void dot(CudaStream stream, Span<const float> a, Span<const float> b, Span<double> scratch,
         Span<float> y);
void max_abs(CudaStream stream, Span<const float> x, Span<double> scratch, Span<float> y);
void count_nonfinite(CudaStream stream, Span<const float> x, Span<double> scratch,
                     Span<std::int32_t> y);
void column_sums(CudaStream stream, Rows<const float> x, Span<double> scratch, Span<float> y);

}  // namespace cuda
}  // namespace ktrain
