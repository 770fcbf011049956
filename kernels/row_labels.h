// One class for all rows of a table, as cross_entropy takes it, and how well two classes are told.
//   row_labels      labels[r] = rows[r] < 0 ? -1 : label;  count[0] = how many are not -1
//   row_accuracy    share[0] = of the rows whose label is 0 or 1, the share whose own logit is
//   above
//                   the other one; equal ones are half right; 0 without such a row
// Logits have two columns. Wrong sizes throw Error.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

template <class T>
void row_labels(Span<const std::int32_t> rows, Span<std::int32_t> labels, Span<T> count,
                std::int32_t label);
template <class T>
void row_accuracy(Rows<const T> logits, Span<const std::int32_t> labels, Span<T> share);

}  // namespace cpu

namespace cuda {

void row_labels(CudaStream stream, Span<const std::int32_t> rows, Span<std::int32_t> labels,
                Span<float> count, std::int32_t label);
void row_accuracy(CudaStream stream, Rows<const float> logits, Span<const std::int32_t> labels,
                  Span<float> share);

}  // namespace cuda
}  // namespace ktrain
