#include "kernels/clamp.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/boxes.h"

namespace ktrain {
namespace {

// T15: a log-scale is held within [0, ln 100].
TEST(Clamp, HoldsValuesWithinTheLimits) {
  std::vector<double> x = {-0.1, 0, 2.659, 4.7, std::log(100.0), -INFINITY, INFINITY};
  cpu::clamp(test::span(x), 0, std::log(100.0));
  EXPECT_EQ(
      x, (std::vector<double>{0, 0, 2.659, std::log(100.0), std::log(100.0), 0, std::log(100.0)}));
  std::vector<float> nan = {NAN};
  cpu::clamp(test::span(nan), 0, 1);
  EXPECT_TRUE(std::isnan(nan[0]));
}

}  // namespace
}  // namespace ktrain
