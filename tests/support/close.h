// Comparisons in which a NaN always fails.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

namespace ktrain::test {

// |got - want| <= absolute + relative * |want| for every element. A NaN on either side fails, and
// so does an infinity that the other side does not share.
template <class A, class B>
::testing::AssertionResult all_close(const std::vector<A>& got, const std::vector<B>& want,
                                     double absolute, double relative) {
  if (got.size() != want.size())
    return ::testing::AssertionFailure()
           << "sizes differ: " << got.size() << " and " << want.size();
  double worst = 0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double g = static_cast<double>(got[i]), w = static_cast<double>(want[i]);
    double excess = INFINITY;
    if (std::isinf(g) || std::isinf(w)) {
      if (g == w) excess = 0;
    } else if (!std::isnan(g) && !std::isnan(w)) {
      excess = std::abs(g - w) / (absolute + relative * std::abs(w) + 1e-300);
      if (g == w) excess = 0;
    }
    if (excess > worst) {
      worst = excess;
      where = i;
    }
  }
  if (worst <= 1.0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "element " << where << ": got " << static_cast<double>(got[where]) << ", want "
         << static_cast<double>(want[where]) << ", " << worst << " times the tolerance";
}

}  // namespace ktrain::test
