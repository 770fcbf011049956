// What a step has measured, in one run of floats, and whether it may change weights.
//   numbers[k] = the first element of source k, an integer as the nearest float
//   stopped[0] = 1 when it was not 0 before, or one of the first `guarded` numbers is not finite
//   factor[0]  = NaN when stopped, else as it was
// The factor is a gradient_scale: a NaN there leaves an optimiser's weights and state as they are
// (kernels/adamw.h, kernels/sgd.h). Once stopped a run stays so, until the host looks.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// The first `count` are there; of each, one of the two is.
struct NumberSources {
  static constexpr int kCapacity = 32;
  std::array<const float*, kCapacity> floats{};
  std::array<const std::int32_t*, kCapacity> integers{};
  int count = 0;
};

namespace cpu {

// `numbers` has as many elements as there are sources, stopped and factor one; or Error.
void step_numbers(const NumberSources& sources, std::int64_t guarded, Span<float> numbers,
                  Span<std::int32_t> stopped, Span<float> factor);

}  // namespace cpu

namespace cuda {

void step_numbers(CudaStream stream, const NumberSources& sources, std::int64_t guarded,
                  Span<float> numbers, Span<std::int32_t> stopped, Span<float> factor);

}  // namespace cuda
}  // namespace ktrain
