// What row_accuracy (kernels/row_labels.h) refuses, on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/row_labels.h"

namespace ktrain {

template <class T>
void check_row_accuracy(Rows<const T> logits, Span<const std::int32_t> labels, Span<T> share) {
  KT_CHECK(logits.cols == 2 && labels.size == logits.rows && share.size == 1,
           "row_accuracy: logits {}x{}, {} labels, share has {} elements", logits.rows, logits.cols,
           labels.size, share.size);
}

}  // namespace ktrain
