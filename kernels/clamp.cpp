#include "kernels/clamp.h"

namespace ktrain::cpu {

template <class T>
void clamp(Span<T> x, double least, double most) {
  const T low = static_cast<T>(least), high = static_cast<T>(most);
  for (std::int64_t i = 0; i < x.size; ++i) {
    if (x[i] < low) x[i] = low;
    if (x[i] > high) x[i] = high;
  }
}

template void clamp(Span<float>, double, double);
template void clamp(Span<double>, double, double);

}  // namespace ktrain::cpu
