// Equal to the last bit. A NaN equals any NaN: which one arithmetic gives, processors choose.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/bfloat16.h"

namespace ktrain::test {

template <class T>
::testing::AssertionResult same_bits(const std::vector<T>& got, const std::vector<T>& want) {
  const auto number = [](const T& v) {
    if constexpr (std::is_same_v<T, Bfloat16>)
      return to_float(v);
    else
      return v;
  };
  if (got.size() != want.size())
    return ::testing::AssertionFailure()
           << "sizes differ: " << got.size() << " and " << want.size();
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto a = number(got[i]), b = number(want[i]);
    if (std::memcmp(&got[i], &want[i], sizeof(T)) != 0 && (a == a || b == b))
      return ::testing::AssertionFailure() << "element " << i << ": got " << a << ", want " << b;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace ktrain::test
