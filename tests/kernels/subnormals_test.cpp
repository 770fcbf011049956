#include "kernels/subnormals.h"

#include <atomic>
#include <limits>

#include <gtest/gtest.h>

#include "kernels/parallel.h"

namespace ktrain {
namespace {

// How many of many products, worked out on all threads, are not zero.
int products_left() {
  volatile float small = std::numeric_limits<float>::min();
  std::atomic<int> left = 0;
  parallel_for(64, 1, [&](std::int64_t) {
    volatile float half = small * 0.5f;
    if (half != 0.0f) ++left;
  });
  return left;
}

TEST(FlushSubnormals, HoldsOnAllThreadsWhileItLives) {
  EXPECT_EQ(products_left(), 64);
#if defined(__SSE2__)
  {
    const FlushSubnormals flush(true);
    EXPECT_EQ(products_left(), 0);
  }
#endif
  EXPECT_EQ(products_left(), 64);
  const FlushSubnormals nothing(false);
  EXPECT_EQ(products_left(), 64);
}

}  // namespace
}  // namespace ktrain
