#include "kernels/device/fast_divide.h"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace ktrain {
namespace {

TEST(FastDivide, IsDivisionAtEveryMultipleAndBesideIt) {
  constexpr int kMost = std::numeric_limits<int>::max();
  for (const int divisor : {1,         2,    3,   5,   7,     9,     16,    21,      64,
                            127,       128,  160, 641, 20480, 65535, 65536, 1 << 30, (1 << 30) + 1,
                            kMost - 1, kMost}) {
    const FastDivide divide(divisor);
    const std::int64_t multiples = kMost / divisor;
    for (std::int64_t i = 0; i <= multiples; i += 1 + multiples / 2000) {
      const auto multiple = static_cast<int>(i * divisor);
      EXPECT_EQ(divide(multiple), i) << divisor;
      if (multiple == 0) continue;
      EXPECT_EQ(divide(multiple - 1), i - 1) << divisor;
    }
    EXPECT_EQ(divide(kMost), kMost / divisor) << divisor;
  }
}

TEST(FastDivide, IsDivisionOfSmallNumbersBySmallNumbers) {
  for (int divisor = 1; divisor < 300; ++divisor) {
    const FastDivide divide(divisor);
    for (int n = 0; n < 1000; ++n) ASSERT_EQ(divide(n), n / divisor) << n << " / " << divisor;
  }
}

}  // namespace
}  // namespace ktrain
