#include "kernels/softmax.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

using test::random_vec;
using test::Vec;

Vec softmax(const Vec& x, std::int64_t cols) {
  Vec y(x.size(), NAN);
  const auto rows = cols == 0 ? 0 : static_cast<std::int64_t>(x.size()) / cols;
  cpu::softmax_forward<double>({x.data(), rows, cols}, {y.data(), rows, cols});
  return y;
}

TEST(Softmax, KnownRowsAndLargeMagnitudes) {
  const Vec y = softmax({0, std::log(3.0), 1000, 1000, -1e300, 0}, 2);
  EXPECT_TRUE(test::all_close(y, Vec{0.25, 0.75, 0.5, 0.5, 0, 1}, 0, 1e-15));
}

TEST(Softmax, NanStaysInItsRow) {
  const Vec y = softmax({1, NAN, 2, 3}, 2);
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  EXPECT_DOUBLE_EQ(y[2] + y[3], 1);
}

TEST(Softmax, GradientsMatchCentralDifferences) {
  for (const std::int64_t cols : {1, 2, 33}) {
    const auto size = static_cast<std::size_t>(3 * cols);
    const Vec x = random_vec(size, 1, -3, 3), dy = random_vec(size, 2);
    const Vec y = softmax(x, cols);
    Vec dx(size, NAN);
    cpu::softmax_backward<double>({y.data(), 3, cols}, {dy.data(), 3, cols}, {dx.data(), 3, cols});
    // Central differences of step 1e-5 are good to about 1e-10 on values of order one.
    EXPECT_LT(test::gradient_error([&](const Vec& v) { return softmax(v, cols); }, x, dy, dx),
              1e-9);
  }
}

TEST(Softmax, AcceptsNothingAndRefusesOtherShapes) {
  softmax({}, 0);
  Vec x(6), y(6);
  EXPECT_THAT(
      [&] {
        cpu::softmax_forward<double>({x.data(), 2, 3}, {y.data(), 3, 2});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("softmax_forward: x is 2x3, y is 3x2")));
}

}  // namespace
}  // namespace ktrain
