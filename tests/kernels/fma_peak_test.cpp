#include "kernels/fma_peak.h"

#include <gtest/gtest.h>

#include "kernels/parallel.h"
#include "kernels/profile.h"

namespace ktrain {
namespace {

// A loop of dependent multiply-adds cannot beat independent vector ones.
double scalar_rate() {
  volatile float start = 1.0F;
  float sum = start;
  const int turns = 2000000;
  const double begin = monotonic_seconds();
  for (int i = 0; i < turns; ++i) {
    sum = sum * 0.5F + 1.0F;
    start = sum;
  }
  return 2.0 * turns / (monotonic_seconds() - begin);
}

TEST(FmaPeak, IsAboveAChainOfDependentOnesAndBelowWhatHardwareCanDo) {
  const int before = num_threads();
  set_num_threads(1);
  const double peak = measure_fma_peak(2);
  const double scalar = scalar_rate();
  set_num_threads(before);
  EXPECT_GT(peak, scalar);
  // Two 512-bit units at 10 GHz: more than that is a loop that the compiler removed.
  EXPECT_LT(peak, 2.0 * 2 * 16 * 10e9);
  EXPECT_EQ(fma_vector_bits() % 32, 0);
}

}  // namespace
}  // namespace ktrain
