// What a product's sides must be like (kernels/gemm.h), on both devices.
#pragma once

#include <type_traits>

#include "kernels/check.h"
#include "kernels/gemm.h"

namespace ktrain {

template <class T, class C>
void check_sides(const GemmSides<T>& sides, Rows<C> c, const GemmOptions& options) {
  const std::int64_t sums = sides.row_sums.size;
  KT_CHECK(sums == 0 || sums == c.rows, "gemm: row_sums has {} elements, wanted {} or none", sums,
           c.rows);
  KT_CHECK(sums == 0 || (options.transpose_a && !options.transpose_b),
           "gemm: row_sums of a product with other than transpose_a alone");
  KT_CHECK((std::is_same_v<T, C> || sides.end.empty()), "gemm: an end of a c in float");
  check_end("gemm", sides.end, c.size());
}

}  // namespace ktrain
