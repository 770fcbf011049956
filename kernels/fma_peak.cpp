#include "kernels/fma_peak.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "kernels/check.h"
#include "kernels/cpu/simd.h"
#include "kernels/parallel.h"
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
  for (Vec& sum : sums) sum = Vec::all(seed);
  const Vec half = Vec::all(0.5F), one = Vec::all(1.0F);
  for (std::int64_t i = 0; i < turns; ++i)
    for (Vec& sum : sums) sum = fma(sum, half, one);
  Vec total = sums[0];
  for (std::size_t i = 1; i < kSums; ++i) total = total + sums[i];
  std::array<float, Vec::kLanes> lanes;
  total.store(lanes.data());
  return lanes[0];
}

// Seconds that every thread takes for `turns`, all at the same time.
double time_round(std::int64_t turns) {
  const int threads = num_threads();
  double checksum = 0;
  const double begin = monotonic_seconds();
#pragma omp parallel for schedule(static, 1) reduction(+ : checksum)
  for (int thread = 0; thread < threads; ++thread)
    checksum += static_cast<double>(spin(turns, 2.0F + static_cast<float>(thread)));
  const double seconds = monotonic_seconds() - begin;
  KT_CHECK(checksum > 0, "measure_fma_peak: the checksum is {}", checksum);
  return seconds;
}

}  // namespace

double measure_fma_peak(int rounds) {
  constexpr double kWantedSeconds = 0.02;
  std::int64_t turns = 100000;
  const double trial = time_round(turns);
  turns = std::max<std::int64_t>(
      turns, static_cast<std::int64_t>(static_cast<double>(turns) * kWantedSeconds / trial));
  double best = time_round(turns);
  for (int i = 1; i < rounds; ++i) best = std::min(best, time_round(turns));
  return 2.0 * kSums * Vec::kLanes * static_cast<double>(turns) * num_threads() / best;
}

int fma_vector_bits() {
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
  return Vec::kLanes * 32;
#else
  return 32;
#endif
}

}  // namespace ktrain
