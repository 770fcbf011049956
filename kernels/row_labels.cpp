#include "kernels/row_labels.h"

#include "kernels/check.h"
#include "kernels/checks/row_labels.h"

namespace ktrain::cpu {

template <class T>
void row_labels(Span<const std::int32_t> rows, Span<std::int32_t> labels, Span<T> count,
                std::int32_t label) {
  KT_CHECK(labels.size == rows.size && count.size == 1,
           "row_labels: {} rows, {} labels, count has {} elements", rows.size, labels.size,
           count.size);
  std::int64_t real = 0;
  for (std::int64_t r = 0; r < rows.size; ++r) {
    labels[r] = rows[r] < 0 ? -1 : label;
    real += rows[r] < 0 ? 0 : 1;
  }
  count[0] = static_cast<T>(real);
}

template <class T>
void row_accuracy(Rows<const T> logits, Span<const std::int32_t> labels, Span<T> share) {
  check_row_accuracy(logits, labels, share);
  std::int64_t halves = 0, rows = 0;
  for (std::int64_t r = 0; r < labels.size; ++r) {
    const std::int32_t label = labels[r];
    if (label != 0 && label != 1) continue;
    const T own = logits(r, label), other = logits(r, 1 - label);
    halves += own > other ? 2 : own == other ? 1 : 0;
    ++rows;
  }
  share[0] = rows > 0 ? static_cast<T>(halves) / static_cast<T>(2 * rows) : T{0};
}

template void row_accuracy(Rows<const float>, Span<const std::int32_t>, Span<float>);
template void row_accuracy(Rows<const double>, Span<const std::int32_t>, Span<double>);
template void row_labels(Span<const std::int32_t>, Span<std::int32_t>, Span<float>, std::int32_t);
template void row_labels(Span<const std::int32_t>, Span<std::int32_t>, Span<double>, std::int32_t);

}  // namespace ktrain::cpu
