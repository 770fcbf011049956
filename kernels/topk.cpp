// One pass counts scores by the leading bits of their order, a second lists those above the bin in
// which the k-th lies and keeps a heap of the best of that bin: no working memory, and no
// comparison for most scores.
#include "kernels/topk.h"

#include <algorithm>
#include <array>
#include <bit>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr int kBinBits = 12;

// A number that never decreases as the score grows: sign, exponent and leading digits.
template <class T>
std::uint32_t bin_of(T score) {
  const float value =
      score == score ? static_cast<float>(score) : -std::numeric_limits<float>::infinity();
  // Adding 0 makes -0, which equals 0 and must share its bin, a 0.
  const auto bits = std::bit_cast<std::uint32_t>(value + 0.0f);
  const std::uint32_t ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return ordered >> (32 - kBinBits);
}

}  // namespace

template <class T>
void topk_row(Span<const T> scores, Span<std::int32_t> indices) {
  KT_CHECK(indices.size <= scores.size && scores.size <= std::numeric_limits<std::int32_t>::max(),
           "topk: {} of {} scores asked", indices.size, scores.size);
  if (indices.empty()) return;
  const auto before = [&](std::int32_t i, std::int32_t j) {
    return ranks_before(scores.data, i, j);
  };
  std::array<std::int32_t, 1 << kBinBits> count{};
  for (std::int64_t i = 0; i < scores.size; ++i) ++count[bin_of(scores[i])];
  std::uint32_t edge = count.size();
  std::int64_t above = 0, up_to_edge = 0;
  while (up_to_edge < indices.size) {
    above = up_to_edge;
    up_to_edge += count[--edge];
  }
  // Scores above the bin `edge` come first, the heap of those in it, worst on top, behind them.
  std::int32_t* const heap = indices.data + above;
  std::int32_t* const end = indices.data + indices.size;
  std::int32_t *next = indices.data, *heap_end = heap;
  for (std::int32_t i = 0; i < scores.size; ++i) {
    const std::uint32_t bin = bin_of(scores[i]);
    if (bin < edge) continue;
    if (bin > edge) {
      *next++ = i;
    } else if (heap_end < end) {
      *heap_end++ = i;
      std::push_heap(heap, heap_end, before);
    } else if (before(i, *heap)) {
      std::pop_heap(heap, end, before);
      end[-1] = i;
      std::push_heap(heap, end, before);
    }
  }
  std::sort(indices.data, end, before);
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
