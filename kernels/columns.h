// A run of columns of a matrix, copied in or out.
//   place_columns:  y[r, first + c] = x[r, c]; the other columns of y stay as they are
//   take_columns:   y[r, c] = x[r, first + c]
// Rows must agree and the run lie within the wider matrix, or Error is thrown. Empty is a no-op.
// Nothing aliases.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

template <class T>
void place_columns(Rows<const T> x, Rows<T> y, std::int64_t first);
template <class T>
void take_columns(Rows<const T> x, Rows<T> y, std::int64_t first);

}  // namespace cpu

namespace cuda {

void place_columns(CudaStream stream, Rows<const float> x, Rows<float> y, std::int64_t first);
void take_columns(CudaStream stream, Rows<const float> x, Rows<float> y, std::int64_t first);

}  // namespace cuda
}  // namespace ktrain
