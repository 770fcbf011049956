#include "kernels/row_labels.h"

#include "kernels/check.h"

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

template void row_labels(Span<const std::int32_t>, Span<std::int32_t>, Span<float>, std::int32_t);
template void row_labels(Span<const std::int32_t>, Span<std::int32_t>, Span<double>, std::int32_t);

}  // namespace ktrain::cpu
