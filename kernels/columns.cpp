#include "kernels/columns.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

template <class A, class B>
void check_run(const char* who, Rows<A> narrow, Rows<B> wide, std::int64_t first) {
  KT_CHECK(narrow.rows == wide.rows && first >= 0 && first + narrow.cols <= wide.cols,
           "{}: a run of {}x{} from column {} on does not lie in {}x{}", who, narrow.rows,
           narrow.cols, first, wide.rows, wide.cols);
}

}  // namespace

template <class T>
void place_columns(Rows<const T> x, Rows<T> y, std::int64_t first) {
  check_run("place_columns", x, y, first);
  parallel_for(x.rows, 1, [&](std::int64_t r) {
    std::copy_n(x.data + r * x.cols, x.cols, y.data + r * y.cols + first);
  });
}

template <class T>
void take_columns(Rows<const T> x, Rows<T> y, std::int64_t first) {
  check_run("take_columns", y, x, first);
  parallel_for(y.rows, 1, [&](std::int64_t r) {
    std::copy_n(x.data + r * x.cols + first, y.cols, y.data + r * y.cols);
  });
}

template void place_columns(Rows<const float>, Rows<float>, std::int64_t);
template void place_columns(Rows<const double>, Rows<double>, std::int64_t);
template void take_columns(Rows<const float>, Rows<float>, std::int64_t);
template void take_columns(Rows<const double>, Rows<double>, std::int64_t);

}  // namespace ktrain::cpu
