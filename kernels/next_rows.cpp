#include "kernels/next_rows.h"

#include <algorithm>

#include "kernels/checks/next_rows.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 64;

}  // namespace

template <class T>
void next_rows(Span<const T> valid, Span<std::int32_t> next, Span<std::int32_t> before) {
  check_next_rows(valid, next, before);
  std::int32_t first = -1, last = -1;
  for (std::int32_t i = 0; i < valid.size; ++i) {
    next[i] = before[i] = i;
    if (valid[i] == T{0}) continue;
    if (first < 0) first = i;
    if (last >= 0) {
      next[last] = i;
      before[i] = last;
    }
    last = i;
  }
  if (first < 0) return;
  next[last] = first;
  before[first] = last;
}

template <class T>
void take_rows(Rows<const T> x, Span<const std::int32_t> from, Rows<T> y) {
  check_take_rows(x, from, y);
  parallel_for(y.rows, kGrain, [&](std::int64_t r) {
    const std::int64_t source = from[r];
    KT_CHECK(source >= 0 && source < x.rows, "take_rows: row {} of {}", source, x.rows);
    std::copy_n(x.data + source * x.cols, x.cols, y.data + r * y.cols);
  });
}

#define KT_INSTANTIATE(T)                                                         \
  template void next_rows(Span<const T>, Span<std::int32_t>, Span<std::int32_t>); \
  template void take_rows(Rows<const T>, Span<const std::int32_t>, Rows<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
