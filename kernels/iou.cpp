#include "kernels/iou.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {

template <class T>
void overlap_matrix(Rows<const T> a, Rows<const T> b, Rows<T> out, Overlap kind) {
  KT_CHECK(a.cols == 4 && b.cols == 4 && out.rows == a.rows && out.cols == b.rows,
           "overlap_matrix: a is {}x{}, b {}x{}, out {}x{}", a.rows, a.cols, b.rows, b.cols,
           out.rows, out.cols);
  if (out.empty()) return;
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / out.cols);
  parallel_for(out.rows, grain, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < out.cols; ++j)
      out(i, j) = box_overlap(a.data + i * 4, b.data + j * 4, kind);
  });
}

template <class T>
void overlap_pairs(Rows<const T> a, Rows<const T> b, Span<T> out, Overlap kind) {
  KT_CHECK(a.cols == 4 && same_shape(a, b) && out.size == a.rows,
           "overlap_pairs: a is {}x{}, b {}x{}, out {}", a.rows, a.cols, b.rows, b.cols, out.size);
  parallel_for(out.size, 16384,
               [&](std::int64_t i) { out[i] = box_overlap(a.data + i * 4, b.data + i * 4, kind); });
}

template void overlap_matrix(Rows<const float>, Rows<const float>, Rows<float>, Overlap);
template void overlap_matrix(Rows<const double>, Rows<const double>, Rows<double>, Overlap);
template void overlap_pairs(Rows<const float>, Rows<const float>, Span<float>, Overlap);
template void overlap_pairs(Rows<const double>, Rows<const double>, Span<double>, Overlap);

}  // namespace ktrain::cpu
