// What the ops of kernels/mixed_sum.h refuse, on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/mixed_sum.h"

namespace ktrain {

template <class T>
void check_mixed(const char* who, Span<const Span<const T>> vectors, const Remainder& remainder,
                 std::int64_t size) {
  KT_CHECK(vectors.size <= kGramVectors, "{}: {} vectors, at most {} fit", who, vectors.size,
           kGramVectors);
  KT_CHECK(
      remainder.index < vectors.size && (remainder.index < 0 || remainder.mix.size == vectors.size),
      "{}: vector {} of {} is the remainder, {} numbers to mix", who, remainder.index, vectors.size,
      remainder.mix.size);
  for (std::int64_t k = 0; k < vectors.size; ++k)
    KT_CHECK(vectors[k].empty() || vectors[k].size == size,
             "{}: vector {} has {} elements, {} wanted", who, k, vectors[k].size, size);
}

template <class T>
void check_mixed_sum(Span<const Span<const T>> vectors, const Remainder& remainder,
                     const MixWeights<T>& mix, Span<T> out) {
  check_mixed("mixed_sum", vectors, remainder, out.size);
  KT_CHECK(mix.weights.size == vectors.size && (mix.extra.empty() || mix.extra.size == out.size),
           "mixed_sum: {} vectors of {} elements, {} weights, {} elements besides", vectors.size,
           out.size, mix.weights.size, mix.extra.size);
}

template <class T>
void check_change_products(Span<const Span<const T>> vectors, const Remainder& remainder,
                           Span<const T> before, Span<const T> now, Span<double> out) {
  check_mixed("change_products", vectors, remainder, now.size);
  KT_CHECK(before.size == now.size && out.size == vectors.size,
           "change_products: {} elements before, {} now, {} vectors, room for {}", before.size,
           now.size, vectors.size, out.size);
}

}  // namespace ktrain
