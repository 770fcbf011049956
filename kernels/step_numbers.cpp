#include "kernels/step_numbers.h"

#include <cmath>
#include <limits>

#include "kernels/check.h"

namespace ktrain::cpu {

void step_numbers(const NumberSources& sources, std::int64_t guarded, Span<float> numbers,
                  Span<std::int32_t> stopped, Span<float> factor) {
  KT_CHECK(sources.count >= 0 && sources.count <= NumberSources::kCapacity &&
               numbers.size == sources.count && guarded >= 0 && guarded <= sources.count &&
               stopped.size == 1 && factor.size == 1,
           "step_numbers: {} sources, {} guarded, {} numbers, {} flags, {} factors", sources.count,
           guarded, numbers.size, stopped.size, factor.size);
  bool stop = stopped.data[0] != 0;
  for (int k = 0; k < sources.count; ++k) {
    const auto i = static_cast<std::size_t>(k);
    numbers.data[k] =
        sources.floats[i] ? sources.floats[i][0] : static_cast<float>(sources.integers[i][0]);
    stop = stop || (k < guarded && !std::isfinite(numbers.data[k]));
  }
  stopped.data[0] = stop ? 1 : 0;
  if (stop) factor.data[0] = std::numeric_limits<float>::quiet_NaN();
}

}  // namespace ktrain::cpu
