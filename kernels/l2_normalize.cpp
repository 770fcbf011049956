#include "kernels/l2_normalize.h"

#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr double kLeastNorm = 1e-12;
constexpr std::int64_t kGrain = 64;

template <class T>
void check(const char* kernel, Rows<const T> a, Rows<const T> b, std::int64_t per_row) {
  KT_CHECK(same_shape(a, b) && per_row == a.rows, "{}: {}x{} and {}x{}, {} numbers for the rows",
           kernel, a.rows, a.cols, b.rows, b.cols, per_row);
}

}  // namespace

template <class T>
void l2_normalize_forward(Rows<const T> x, Rows<T> y, Span<T> norm) {
  check<T>("l2_normalize_forward", x, y, norm.size);
  parallel_for(x.rows, kGrain, [&](std::int64_t r) {
    double sum = 0;
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const auto value = static_cast<double>(x(r, c));
      sum += value * value;
    }
    const double length = std::sqrt(sum);
    norm[r] = static_cast<T>(length);
    for (std::int64_t c = 0; c < x.cols; ++c)
      y(r, c) = length < kLeastNorm ? T{0} : static_cast<T>(static_cast<double>(x(r, c)) / length);
  });
}

template <class T>
void l2_normalize_backward(Rows<const T> y, Span<const T> norm, Rows<const T> dy, Rows<T> dx) {
  check<T>("l2_normalize_backward", y, dy, norm.size);
  check<T>("l2_normalize_backward", y, dx, norm.size);
  parallel_for(y.rows, kGrain, [&](std::int64_t r) {
    const auto length = static_cast<double>(norm[r]);
    double along = 0;
    for (std::int64_t c = 0; c < y.cols; ++c)
      along += static_cast<double>(y(r, c)) * static_cast<double>(dy(r, c));
    for (std::int64_t c = 0; c < y.cols; ++c)
      dx(r, c) = length < kLeastNorm ? T{0}
                                     : static_cast<T>((static_cast<double>(dy(r, c)) -
                                                       static_cast<double>(y(r, c)) * along) /
                                                      length);
  });
}

template <class T>
void scale_rows(Rows<const T> x, Span<const T> factor, Rows<T> y) {
  check<T>("scale_rows", x, y, factor.size);
  parallel_for(x.rows, kGrain, [&](std::int64_t r) {
    for (std::int64_t c = 0; c < x.cols; ++c) y(r, c) = factor[r] * x(r, c);
  });
}

#define INSTANTIATE(T)                                                                       \
  template void l2_normalize_forward(Rows<const T>, Rows<T>, Span<T>);                       \
  template void l2_normalize_backward(Rows<const T>, Span<const T>, Rows<const T>, Rows<T>); \
  template void scale_rows(Rows<const T>, Span<const T>, Rows<T>);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace ktrain::cpu
