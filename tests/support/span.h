// Vectors as the kernels' views.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/view.h"

namespace ktrain::test {

template <class T>
Span<const T> span(const std::vector<T>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}
template <class T>
Span<T> mutable_span(std::vector<T>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}

}  // namespace ktrain::test
