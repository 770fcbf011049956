// Scratch memory of one kernel call.
#pragma once

#include "runtime/tensor.h"

namespace ktrain {

// `size` floats in the context of `like`, accounted as workspace; gone with the handle.
[[nodiscard]] inline Tensor workspace(const Tensor& like, std::int64_t size) {
  const MemoryUseScope use(MemoryUse::kWorkspace);
  return Tensor::empty(like.context(), {size});
}

}  // namespace ktrain
