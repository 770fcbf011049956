#include "kernels/bfloat16.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace ktrain {
namespace {

TEST(Bfloat16, EveryValueComesBack) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const Bfloat16 h{static_cast<std::uint16_t>(bits)};
    const float x = to_float(h);
    if (std::isnan(x))
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(x))));
    else
      ASSERT_EQ(to_bfloat16(x).bits, h.bits);
  }
}

// Each of the 2^16 intervals between neighbours: below, on and above its middle.
TEST(Bfloat16, RoundsToTheNearestAndTiesToEven) {
  for (std::uint32_t upper = 0; upper < 0x7F80; ++upper) {
    const auto rounded = [&](std::uint32_t lower) {
      return std::uint32_t{to_bfloat16(std::bit_cast<float>(upper << 16 | lower)).bits};
    };
    ASSERT_EQ(rounded(0x7FFF), upper);
    ASSERT_EQ(rounded(0x8000), upper + (upper & 1));
    ASSERT_EQ(rounded(0x8001), upper + 1);
  }
}

TEST(Bfloat16, KeepsInfinityAndNotANumber) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(to_float(to_bfloat16(kInfinity)), kInfinity);
  EXPECT_EQ(to_float(to_bfloat16(-kInfinity)), -kInfinity);
  EXPECT_EQ(to_float(to_bfloat16(std::numeric_limits<float>::max())), kInfinity);
  // One whose upper half alone would be an infinity.
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0x7F800001u)))));
}

}  // namespace
}  // namespace ktrain
