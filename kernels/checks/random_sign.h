// What the ops of kernels/random_sign.h refuse, on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/random_sign.h"

namespace ktrain {

template <class T>
void check_random_sign_sum(Span<const Span<const T>> maps, Span<T> value) {
  KT_CHECK(value.size == 1 && maps.size <= kSignMaps,
           "random_sign_sum: {} maps, at most {} fit; value has {} elements, 1 wanted", maps.size,
           kSignMaps, value.size);
}

template <class T>
void check_random_sign_backward(Span<const T> dvalue) {
  KT_CHECK(dvalue.size == 1, "random_sign_backward: dvalue has {} elements, 1 wanted", dvalue.size);
}

}  // namespace ktrain
