// One warp, a lane per source: the numbers of a step are fewer than its lanes.
#include "kernels/step_numbers.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kLanes = NumberSources::kCapacity;
static_assert(kLanes == 32, "a source has a lane of its own");

struct Sources {
  const float* floats[kLanes];
  const std::int32_t* integers[kLanes];
};

__global__ void __launch_bounds__(kLanes)
    step_numbers_kernel(const __grid_constant__ Sources sources, int count, int guarded,
                        float* numbers, std::int32_t* stopped, float* factor) {
  const int k = static_cast<int>(threadIdx.x);
  bool bad = false;
  if (k < count) {
    const float* const from = sources.floats[k];
    const float number = from ? from[0] : static_cast<float>(sources.integers[k][0]);
    numbers[k] = number;
    bad = k < guarded && !(number - number == 0);  // NaN for what is not finite
  }
  const bool any = __ballot_sync(~0u, bad ? 1 : 0) != 0;
  if (k != 0) return;
  const bool stop = any || stopped[0] != 0;
  stopped[0] = stop ? 1 : 0;
  if (stop) factor[0] = __uint_as_float(0x7FC00000u);
}

}  // namespace

void step_numbers(CudaStream stream, const NumberSources& from, std::int64_t guarded,
                  Span<float> numbers, Span<std::int32_t> stopped, Span<float> factor) {
  KT_CHECK(from.count >= 0 && from.count <= kLanes && numbers.size == from.count && guarded >= 0 &&
               guarded <= from.count && stopped.size == 1 && factor.size == 1,
           "step_numbers: {} sources, {} guarded, {} numbers, {} flags, {} factors", from.count,
           guarded, numbers.size, stopped.size, factor.size);
  Sources sources{};
  for (int k = 0; k < from.count; ++k) {
    sources.floats[k] = from.floats[static_cast<std::size_t>(k)];
    sources.integers[k] = from.integers[static_cast<std::size_t>(k)];
  }
  launch("step_numbers", step_numbers_kernel, 1, kLanes, stream, sources, from.count,
         static_cast<int>(guarded), numbers.data, stopped.data, factor.data);
}

}  // namespace ktrain::cuda
