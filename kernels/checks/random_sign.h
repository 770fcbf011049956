// What the ops of kernels/random_sign.h refuse, on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/random_sign.h"

namespace ktrain {

template <class T>
void check_random_sign_sum(const SignKey& key, Span<const Span<const T>> maps, Span<T> value) {
  KT_CHECK(value.size == 1 && maps.size <= kSignMaps && !key.now.empty(),
           "random_sign_sum: {} maps, at most {} fit; value has {} elements, 1 wanted; {} steps",
           maps.size, kSignMaps, value.size, key.now.size);
}

template <class T>
void check_random_sign_backward(const SignKey& key, Span<const T> dvalue) {
  KT_CHECK(dvalue.size == 1 && !key.now.empty(),
           "random_sign_backward: dvalue has {} elements, 1 wanted; {} steps", dvalue.size,
           key.now.size);
}

}  // namespace ktrain
