#include "kernels/image_normalize.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

constexpr ImageStatistics kStatistics = {{123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}};

TEST(ImageNormalize, FollowsTheFormulaInsideAndIsZeroOutside) {
  constexpr std::int64_t kBatch = 3, kHeight = 5, kWidth = 7;
  std::vector<std::uint8_t> x(kBatch * kHeight * kWidth * 3);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(i * 37 % 256);
  // A whole image, one that fills a corner, and one whose size claims more than there is.
  const std::vector<std::int32_t> sizes = {5, 7, 3, 2, 9, 9};
  std::vector<double> y(x.size(), NAN);
  cpu::image_normalize<double>({x.data(), kBatch, kHeight, kWidth, 3}, {sizes.data(), kBatch, 2},
                               {y.data(), kBatch, kHeight, kWidth, 3}, kStatistics);
  for (std::int64_t n = 0; n < kBatch; ++n)
    for (std::int64_t h = 0; h < kHeight; ++h)
      for (std::int64_t w = 0; w < kWidth; ++w)
        for (std::int64_t c = 0; c < 3; ++c) {
          const auto i = static_cast<std::size_t>(((n * kHeight + h) * kWidth + w) * 3 + c);
          const auto s = static_cast<std::size_t>(n) * 2, k = static_cast<std::size_t>(c);
          const bool inside = h < sizes[s] && w < sizes[s + 1];
          const double want =
              inside ? (x[i] - double{kStatistics.mean[k]}) / kStatistics.std[k] : 0;
          ASSERT_DOUBLE_EQ(y[i], want) << n << ' ' << h << ' ' << w << ' ' << c;
        }
}

TEST(ImageNormalize, AcceptsNothing) {
  cpu::image_normalize<float>({nullptr, 0, 4, 4, 3}, {nullptr, 0, 2}, {nullptr, 0, 4, 4, 3},
                              kStatistics);
}

TEST(ImageNormalize, RefusesShapesThatDoNotFit) {
  std::vector<std::uint8_t> x(12);
  std::vector<float> y(12);
  const std::vector<std::int32_t> sizes = {2, 2};
  const auto call = [&](std::int64_t channels, std::int64_t rows) {
    cpu::image_normalize<float>({x.data(), 1, 12 / 3, 1, 3}, {sizes.data(), rows, 2},
                                {y.data(), 1, 12 / channels, 1, channels}, kStatistics);
  };
  EXPECT_THAT([&] { call(1, 1); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("x is 1x4x1x3, y 1x12x1x1")));
  EXPECT_THAT([&] { call(3, 0); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("sizes are 0x2 for a batch of 1")));
}

}  // namespace
}  // namespace ktrain
