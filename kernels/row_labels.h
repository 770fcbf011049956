// One class for all rows of a table, as cross_entropy takes it.
//   labels[r] = rows[r] < 0 ? -1 : label;  count[0] = how many are not -1
// Wrong sizes throw Error.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

template <class T>
void row_labels(Span<const std::int32_t> rows, Span<std::int32_t> labels, Span<T> count,
                std::int32_t label);

}  // namespace cpu

namespace cuda {

void row_labels(CudaStream stream, Span<const std::int32_t> rows, Span<std::int32_t> labels,
                Span<float> count, std::int32_t label);

}  // namespace cuda
}  // namespace ktrain
