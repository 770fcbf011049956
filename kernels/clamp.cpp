#include "kernels/clamp.h"

#include "kernels/check.h"

namespace ktrain::cpu {

template <class T>
void clamp(Span<T> x, double least, double most) {
  const T low = static_cast<T>(least), high = static_cast<T>(most);
  for (std::int64_t i = 0; i < x.size; ++i) {
    if (x[i] < low) x[i] = low;
    if (x[i] > high) x[i] = high;
  }
}

template <class T>
void below(Span<const T> x, Span<T> y, double limit) {
  KT_CHECK(x.size == y.size, "below: {} and {} elements", x.size, y.size);
  for (std::int64_t i = 0; i < x.size; ++i) y[i] = static_cast<double>(x[i]) < limit ? T{1} : T{0};
}

template <class T>
void complement(Span<const T> x, Span<T> y) {
  KT_CHECK(x.size == y.size, "complement: {} and {} elements", x.size, y.size);
  for (std::int64_t i = 0; i < x.size; ++i) y[i] = T{1} - x[i];
}

#define INSTANTIATE(T)                                 \
  template void clamp(Span<T>, double, double);        \
  template void below(Span<const T>, Span<T>, double); \
  template void complement(Span<const T>, Span<T>);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace ktrain::cpu
