// A heap of the k best so far, worst on top, stands in the output itself: no working memory, and
// one comparison for each score that is not among them.
#include "kernels/topk.h"

#include <algorithm>
#include <numeric>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {

template <class T>
void topk_row(Span<const T> scores, Span<std::int32_t> indices) {
  KT_CHECK(indices.size <= scores.size && scores.size <= std::numeric_limits<std::int32_t>::max(),
           "topk: {} of {} scores asked", indices.size, scores.size);
  if (indices.empty()) return;
  const auto before = [&](std::int32_t i, std::int32_t j) {
    return ranks_before(scores.data, i, j);
  };
  std::int32_t* const begin = indices.data;
  std::int32_t* const end = begin + indices.size;
  std::iota(begin, end, 0);
  std::make_heap(begin, end, before);
  for (auto i = static_cast<std::int32_t>(indices.size); i < scores.size; ++i) {
    if (!before(i, *begin)) continue;
    std::pop_heap(begin, end, before);
    end[-1] = i;
    std::push_heap(begin, end, before);
  }
  std::sort_heap(begin, end, before);
}

template <class T>
void topk(Rows<const T> scores, Rows<std::int32_t> indices) {
  KT_CHECK(indices.rows == scores.rows, "topk: scores has {} rows, indices {}", scores.rows,
           indices.rows);
  parallel_for(scores.rows, 1, [&](std::int64_t r) {
    topk_row(Span<const T>{scores.data + r * scores.cols, scores.cols},
             Span<std::int32_t>{indices.data + r * indices.cols, indices.cols});
  });
}

template void topk_row(Span<const float>, Span<std::int32_t>);
template void topk_row(Span<const double>, Span<std::int32_t>);
template void topk(Rows<const float>, Rows<std::int32_t>);
template void topk(Rows<const double>, Rows<std::int32_t>);

}  // namespace ktrain::cpu
