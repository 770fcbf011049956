#include "kernels/gate.h"

#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 13;

// exp of a negative number only: it cannot overflow.
template <class T>
T sigmoid(T z) {
  const T e = std::exp(-std::abs(z));
  return (z < 0 ? e : T{1}) / (1 + e);
}

}  // namespace

template <class T>
void gate_forward(Span<const T> z, Span<const T> a, Span<const T> b, Span<T> y) {
  KT_CHECK(z.size == y.size && a.size == y.size && b.size == y.size,
           "gate_forward: z has {} elements, a {}, b {}, y {}", z.size, a.size, b.size, y.size);
  parallel_for(y.size, kGrain, [&](std::int64_t i) {
    const Wide<T> g = sigmoid(widen(z[i]));
    y[i] = narrow<T>(g * widen(a[i]) + (1 - g) * widen(b[i]));
  });
}

template <class T>
void gate_backward(Span<const T> z, Span<const T> a, Span<const T> b, Span<const T> dy, Span<T> dz,
                   Span<T> da, Span<T> db) {
  const auto fits = [&](const Span<T>& d) { return d.empty() || d.size == dy.size; };
  KT_CHECK(z.size == dy.size && a.size == dy.size && b.size == dy.size && fits(dz) && fits(da) &&
               fits(db),
           "gate_backward: z has {} elements, a {}, b {}, dy {}, dz {}, da {}, db {}", z.size,
           a.size, b.size, dy.size, dz.size, da.size, db.size);
  parallel_for(dy.size, kGrain, [&](std::int64_t i) {
    const Wide<T> g = sigmoid(widen(z[i])), d = widen(dy[i]);
    if (!dz.empty()) dz[i] = narrow<T>(g * (1 - g) * (widen(a[i]) - widen(b[i])) * d);
    if (!da.empty()) da[i] = narrow<T>(g * d);
    if (!db.empty()) db[i] = narrow<T>((1 - g) * d);
  });
}

#define KT_INSTANTIATE(T)                                                                          \
  template void gate_forward(Span<const T>, Span<const T>, Span<const T>, Span<T>);                \
  template void gate_backward(Span<const T>, Span<const T>, Span<const T>, Span<const T>, Span<T>, \
                              Span<T>, Span<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
