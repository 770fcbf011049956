// Ops whose maps may be float or Bfloat16.
#pragma once

#include <utility>

#include "kernels/bfloat16.h"
#include "runtime/tensor.h"

namespace ktrain {

// Calls f(T{}) with the element type of a map; what is neither float nor Bfloat16 throws Error.
template <class F>
void with_map_type(const Tensor& map, F&& f) {
  KT_CHECK(map.dtype() == DType::kF32 || map.dtype() == DType::kBf16,
           "a map of {}, wanted f32 or bf16", name(map.dtype()));
  if (map.dtype() == DType::kBf16)
    std::forward<F>(f)(Bfloat16{});
  else
    std::forward<F>(f)(float{});
}

}  // namespace ktrain
