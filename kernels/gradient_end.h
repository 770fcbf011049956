// What becomes of a gradient as it is written: (dx + add), where `positive` > 0, else 0. `add` is
// what others gave to the same tensor, `positive` the result of the ReLU that made it. Each has as
// many elements as dx, in its order, or is empty. Bfloat16 is rounded before `add` and after.
#pragma once

#include "kernels/bfloat16.h"
#include "kernels/check.h"
#include "kernels/view.h"

namespace ktrain {

template <class T>
struct GradientEnd {
  Span<const T> add;
  Span<const T> positive;

  [[nodiscard]] bool empty() const { return add.empty() && positive.empty(); }
};

// Throws Error where a part does not fit dx, in the name of `who`.
template <class T>
void check_end(const char* who, const GradientEnd<T>& end, std::int64_t dx_size) {
  const auto check = [&](const char* what, Span<const T> part) {
    KT_CHECK(part.empty() || part.size == dx_size, "{}: {} has {} elements, dx {}", who, what,
             part.size, dx_size);
  };
  check("add", end.add);
  check("positive", end.positive);
}

namespace cpu {

// Of a gradient that stands in dx. T: float, double, Bfloat16.
template <class T>
void end_gradient(const GradientEnd<T>& end, Span<T> dx);

}  // namespace cpu
}  // namespace ktrain
