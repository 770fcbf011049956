// Ops on maps of Bfloat16 against the same ops in float, which have tests of their own: widened,
// computed in float, rounded once.
#include <gtest/gtest.h>

#include "tests/support/map_ops.h"

namespace ktrain {
namespace {

TEST(Bfloat16Maps, AreTheFloatOpsRoundedOnce) { test::expect_rounded_once(test::HostMemory{}); }

TEST(Bfloat16Maps, ConvertRoundsToTheNearestAndBackExactly) {
  const std::vector<float> x = {1.0f, 1.00390625f, 1.01171875f, -0.0f, 3.4e38f, INFINITY};
  std::vector<Bfloat16> h(x.size());
  std::vector<float> back(x.size());
  const std::int64_t size = std::ssize(x);
  cpu::convert(Span<const float>{x.data(), size}, Span<Bfloat16>{h.data(), size});
  cpu::convert(Span<const Bfloat16>{h.data(), size}, Span<float>{back.data(), size});
  // Halfway goes to the even neighbour: 1 + 2^-8 down, 1 + 3 * 2^-8 up.
  EXPECT_EQ(back, (std::vector<float>{1.0f, 1.0f, 1.015625f, -0.0f, INFINITY, INFINITY}));
}

}  // namespace
}  // namespace ktrain
