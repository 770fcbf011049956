#include "kernels/fma_peak.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/check.h"
#include "kernels/cpu/simd.h"
#include "kernels/profile.h"

namespace ktrain {
namespace {

using cpu::simd::Vec;

// Enough independent sums to cover the latency of two multiply-adds a cycle (4 cycles each), few
// enough to stay in registers.
constexpr std::size_t kSums = 12;

// `turns` multiply-adds into each sum; the values settle near 2, so that nothing overflows.
float spin(std::int64_t turns, float seed) {
  std::array<Vec, kSums> sums;
  // Each read is one that the compiler knows nothing of: known or equal sums it would not compute.
  const volatile float opaque = seed;
  for (Vec& sum : sums) sum = Vec::all(opaque);
  const Vec half = Vec::all(0.5F), one = Vec::all(1.0F);
  for (std::int64_t i = 0; i < turns; ++i)
    for (Vec& sum : sums) sum = fma(sum, half, one);
  Vec total = sums[0];
  for (std::size_t i = 1; i < kSums; ++i) total = total + sums[i];
  std::array<float, Vec::kLanes> lanes;
  total.store(lanes.data());
  return lanes[0];
}

// A slice is short enough that many pass undisturbed on a machine that others use too.
constexpr double kSliceSeconds = 0.002;
constexpr int kSlicesPerRound = 10;

// The shortest of many slices of `turns` on this thread.
double fastest_slice(std::int64_t turns, int slices, float seed, float* checksum) {
  double best = HUGE_VAL;
  for (int i = 0; i < slices; ++i) {
    const double begin = monotonic_seconds();
    *checksum += spin(turns, seed);
    best = std::min(best, monotonic_seconds() - begin);
  }
  return best;
}

}  // namespace

double measure_fma_peak(int rounds) {
  constexpr std::int64_t kTrial = 20000;
  const double operations = 2.0 * kSums * Vec::kLanes;
  float trial_sum = 0;
  const double trial = fastest_slice(kTrial, 5, 2.0F, &trial_sum);
  const auto turns = static_cast<std::int64_t>(kTrial * kSliceSeconds / trial) + 1;
  double total = 0;
#pragma omp parallel reduction(+ : total)
  {
    float checksum = 0;
    const double seconds = fastest_slice(turns, rounds * kSlicesPerRound, 2.0F, &checksum);
    if (checksum > 0) total += operations * static_cast<double>(turns) / seconds;
  }
  KT_CHECK(trial_sum > 0 && total > 0, "measure_fma_peak: the sums are {} and {}", trial_sum,
           total);
  return total;
}

int fma_vector_bits() {
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
  return Vec::kLanes * 32;
#else
  return 32;
#endif
}

}  // namespace ktrain
