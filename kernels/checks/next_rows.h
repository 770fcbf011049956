// What the ops of kernels/next_rows.h refuse, on both devices.
#pragma once

#include <limits>

#include "kernels/check.h"
#include "kernels/next_rows.h"

namespace ktrain {

template <class T>
void check_next_rows(Span<const T> valid, Span<std::int32_t> next, Span<std::int32_t> before) {
  KT_CHECK(next.size == valid.size && before.size == valid.size &&
               valid.size <= std::numeric_limits<std::int32_t>::max(),
           "next_rows: {} rows, next {}, before {}", valid.size, next.size, before.size);
}

template <class T>
void check_take_rows(Rows<const T> x, Span<const std::int32_t> from, Rows<T> y) {
  KT_CHECK(y.rows == from.size && y.cols == x.cols, "take_rows: x is {}x{}, {} rows taken, y {}x{}",
           x.rows, x.cols, from.size, y.rows, y.cols);
}

}  // namespace ktrain
