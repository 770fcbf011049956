// What a data gradient's end (kernels/gradient_end.h) makes of the same gradient without
// one, by separate passes on the host.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/bfloat16.h"

namespace ktrain::test {

enum EndPart : unsigned { kAdd = 1, kPositive = 2 };

template <class T>
std::vector<T> with_end(std::vector<T> dx, const std::vector<T>& add,
                        const std::vector<T>& positive, unsigned parts) {
  for (std::size_t i = 0; i < dx.size(); ++i) {
    if (parts & kAdd) dx[i] = narrow<T>(widen(dx[i]) + widen(add[i]));
    if ((parts & kPositive) && !(widen(positive[i]) > 0)) dx[i] = T{};
  }
  return dx;
}

// Zeros, negative zeros and a NaN among what a ReLU gave: none of them lets anything through.
template <class T>
void plant_borders(std::vector<T>& positive) {
  const double planted[] = {0.0, -0.0, std::nan("")};
  for (std::size_t i = 0; i < positive.size(); ++i)
    if (i % 7 < 3) positive[i] = narrow<T>(static_cast<Wide<T>>(planted[i % 7]));
}

}  // namespace ktrain::test
