// A permutation of a table's rows, and rows moved by one.
//   next_rows: next[i] is the valid row that follows row i, after the last the first; a row that is
//              not valid, and one that is alone, is its own. before is the inverse: before[next[i]]
//              = i. valid[i] != 0: a valid row.
//   take_rows: y[r,:] = x[from[r],:]
// Wrong sizes throw Error; so does an index outside x on the CPU, whereas on CUDA that row becomes
// NaN. Outputs must not overlap inputs.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

template <class T>
void next_rows(Span<const T> valid, Span<std::int32_t> next, Span<std::int32_t> before);
template <class T>
void take_rows(Rows<const T> x, Span<const std::int32_t> from, Rows<T> y);

}  // namespace cpu

namespace cuda {

void next_rows(CudaStream stream, Span<const float> valid, Span<std::int32_t> next,
               Span<std::int32_t> before);
void take_rows(CudaStream stream, Rows<const float> x, Span<const std::int32_t> from,
               Rows<float> y);

}  // namespace cuda
}  // namespace ktrain
