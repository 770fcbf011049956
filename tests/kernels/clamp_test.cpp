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

TEST(Below, AndItsComplement) {
  const std::vector<double> x = {0.4, 0.5, 0.6, NAN};
  std::vector<double> dark(4), light(4);
  cpu::below(test::span(x), test::span(dark), 0.5);
  EXPECT_EQ(dark, (std::vector<double>{1, 0, 0, 0}));
  const auto& given = dark;
  cpu::complement(test::span(given), test::span(light));
  EXPECT_EQ(light, (std::vector<double>{0, 1, 1, 1}));
}

}  // namespace
}  // namespace ktrain
