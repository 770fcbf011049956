// What the ops of kernels/adamw.h and kernels/sgd.h refuse, on both devices.
#pragma once

#include "kernels/adamw.h"
#include "kernels/check.h"
#include "kernels/sgd.h"

namespace ktrain {

template <class T>
void check_update_numbers(const char* who, std::int64_t row, Span<const T> numbers,
                          std::int64_t columns, Span<const T> gradient_scale) {
  KT_CHECK(gradient_scale.size == 1, "{}: gradient_scale has {} elements, wanted 1", who,
           gradient_scale.size);
  KT_CHECK(numbers.size % columns == 0 && row >= 0 && row < numbers.size / columns,
           "{}: row {} of {} numbers, wanted one of rows of {}", who, row, numbers.size, columns);
}

template <class T>
void check_adamw(Span<const AdamwTensor<T>> tensors, Span<const T> numbers,
                 Span<const T> gradient_scale) {
  for (std::int64_t k = 0; k < tensors.size; ++k) {
    const AdamwTensor<T>& x = tensors[k];
    KT_CHECK(
        x.gradient.size == x.weight.size && x.m.size == x.weight.size && x.v.size == x.weight.size,
        "adamw: {} weights, {} gradients, {} first and {} second moments", x.weight.size,
        x.gradient.size, x.m.size, x.v.size);
    check_update_numbers("adamw", x.row, numbers, kAdamwNumbers, gradient_scale);
  }
}

template <class T>
void check_sgd(Span<const SgdTensor<T>> tensors, Span<const T> numbers,
               Span<const T> gradient_scale) {
  for (std::int64_t k = 0; k < tensors.size; ++k) {
    const SgdTensor<T>& x = tensors[k];
    KT_CHECK(x.gradient.size == x.weight.size && x.velocity.size == x.weight.size,
             "sgd: {} weights, {} gradients, {} velocities", x.weight.size, x.gradient.size,
             x.velocity.size);
    check_update_numbers("sgd", x.row, numbers, kSgdNumbers, gradient_scale);
  }
}

}  // namespace ktrain
