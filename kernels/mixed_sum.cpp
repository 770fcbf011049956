#include "kernels/mixed_sum.h"

#include <algorithm>

#include "kernels/checks/mixed_sum.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 14;
constexpr std::int64_t kBlock = 256;  // elements of one vector that are made at a time

}  // namespace

template <class T>
void mixed_sum(Span<const Span<const T>> vectors, const Remainder& remainder,
               const MixWeights<T>& mix, Span<T> out) {
  check_mixed_sum(vectors, remainder, mix, out);
  parallel_chunks(out.size, kGrain, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    T part[kBlock];
    for (std::int64_t at = begin; at < end; at += kBlock) {
      const std::int64_t size = std::min(kBlock, end - at);
      T* const y = out.data + at;
      std::fill_n(y, size, T{0});
      for (std::int64_t k = 0; k < vectors.size; ++k) {
        const T weight = static_cast<T>(mix.weights[k]);
        if (weight == T{0}) continue;
        mixed_elements(vectors, remainder, k, at, Span<T>{part, size});
        for (std::int64_t i = 0; i < size; ++i) y[i] += weight * part[i];
      }
      if (mix.extra_weight == 0 || mix.extra.empty()) continue;
      const T weight = static_cast<T>(mix.extra_weight);
      for (std::int64_t i = 0; i < size; ++i) y[i] += weight * mix.extra[at + i];
    }
  });
}

template <class T>
void change_products(Span<const Span<const T>> vectors, const Remainder& remainder,
                     Span<const T> before, Span<const T> now, Span<double> out, Span<std::byte>) {
  check_change_products(vectors, remainder, before, now, out);
  parallel_for(vectors.size, 1, [&](std::int64_t k) {
    T part[kBlock];
    double sum = 0;
    for (std::int64_t at = 0; at < now.size; at += kBlock) {
      const std::int64_t size = std::min(kBlock, now.size - at);
      mixed_elements(vectors, remainder, k, at, Span<T>{part, size});
      for (std::int64_t i = 0; i < size; ++i)
        sum += static_cast<double>(part[i]) *
               (static_cast<double>(now[at + i]) - static_cast<double>(before[at + i]));
    }
    out[k] = sum;
  });
}

#define KT_INSTANTIATE(T)                                                                    \
  template void mixed_sum(Span<const Span<const T>>, const Remainder&, const MixWeights<T>&, \
                          Span<T>);                                                          \
  template void change_products(Span<const Span<const T>>, const Remainder&, Span<const T>,  \
                                Span<const T>, Span<double>, Span<std::byte>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
