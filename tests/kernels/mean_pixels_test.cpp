#include "kernels/mean_pixels.h"

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

template <class T>
std::vector<T> means(const std::vector<T>& x, std::int64_t n, std::int64_t h, std::int64_t w,
                     std::int64_t c) {
  std::vector<T> y(static_cast<std::size_t>(n * c), T(NAN));
  Vec scratch(static_cast<std::size_t>(mean_pixels_scratch(n, c)), NAN);
  cpu::mean_pixels_forward<T>({x.data(), n, h, w, c}, {y.data(), n, c},
                              {scratch.data(), std::ssize(scratch)});
  return y;
}

TEST(MeanPixels, AveragesEachChannelOfEachImage) {
  const Vec x = {1, 10, 2, 20, 3, 30, 6, 0, 7, 1, 2, 2};
  EXPECT_THAT(means(x, 2, 1, 3, 2), testing::ElementsAre(2, 20, 5, 1));
  EXPECT_THAT(means(x, 1, 3, 2, 2), testing::ElementsAre(3.5, 10.5));
}

TEST(MeanPixels, GradientMatchesCentralDifferencesAndFloatAgrees) {
  const Vec x = random_vec(2 * 5 * 3 * 4, 1), dy = random_vec(2 * 4, 2);
  Vec dx(x.size(), NAN);
  cpu::mean_pixels_backward<double>({dy.data(), 2, 4}, {dx.data(), 2, 5, 3, 4});
  // Linear: only rounding is left, 1e-16 / 1e-5.
  EXPECT_LT(test::gradient_error([](const Vec& v) { return means(v, 2, 5, 3, 4); }, x, dy, dx),
            1e-9);
  // Sums in double: one rounding of the inputs, one of the result.
  EXPECT_TRUE(test::all_close(means(std::vector<float>(x.begin(), x.end()), 2, 5, 3, 4),
                              means(x, 2, 5, 3, 4), 1e-7, 1e-7));
}

TEST(MeanPixels, RefusesSizesThatDoNotAgree) {
  Vec y(4), scratch(4);
  const Vec x(12);
  EXPECT_THAT(
      [&] {
        cpu::mean_pixels_forward<double>({x.data(), 2, 1, 3, 2}, {y.data(), 1, 4},
                                         {scratch.data(), 4});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("the map is 2x1x3x2, the means are 1x4")));
}

}  // namespace
}  // namespace ktrain
