#include "kernels/normalize.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message.h"

namespace ktrain {
namespace {

const std::vector<float> kMean = {123.675F, 116.28F, 103.53F},
                         kDeviation = {58.395F, 57.12F, 57.375F};

std::vector<float> run(const std::vector<std::uint8_t>& x, const std::vector<std::int32_t>& sizes,
                       std::int64_t batch, std::int64_t height, std::int64_t width) {
  std::vector<float> y(x.size(), NAN);
  cpu::normalize<float>({x.data(), batch, height, width, 3}, {sizes.data(), batch, 2},
                        {kMean.data(), 3}, {kDeviation.data(), 3},
                        {y.data(), batch, height, width, 3});
  return y;
}

TEST(Normalize, CentresEachChannelAndZeroesThePadding) {
  const std::int64_t height = 3, width = 4;
  std::vector<std::uint8_t> x(2 * 3 * 4 * 3);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(i * 37 % 256);
  const auto y = run(x, {3, 4, 2, 1}, 2, height, width);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % 3, w = i / 3 % 4, h = i / 12 % 3, n = i / 36;
    const bool inside = n == 0 || (h < 2 && w < 1);
    EXPECT_EQ(y[i], inside ? (static_cast<float>(x[i]) - kMean[c]) / kDeviation[c] : 0.0F) << i;
  }
}

TEST(Normalize, EmptyBatchAndEmptyImage) {
  EXPECT_TRUE(run({}, {}, 0, 4, 4).empty());
  EXPECT_EQ(run(std::vector<std::uint8_t>(12, 200), {0, 0}, 1, 2, 2), std::vector<float>(12, 0.0F));
}

TEST(Normalize, WrongCallsSayWhatWasFound) {
  using ::testing::HasSubstr;
  EXPECT_THAT(test::message_of([] {
                run(std::vector<std::uint8_t>(12), {3, 2}, 1, 2, 2);
              }),
              HasSubstr("normalize: image 0 is 3x2 in a batch of 2x2"));
  std::vector<std::uint8_t> x(12);
  std::vector<float> y(12), zero = {1, 0, 1};
  const std::vector<std::int32_t> sizes = {2, 2};
  EXPECT_THAT(test::message_of([&] {
                cpu::normalize<float>({x.data(), 1, 2, 2, 3}, {sizes.data(), 1, 2},
                                      {zero.data(), 3}, {zero.data(), 3}, {y.data(), 1, 2, 2, 3});
              }),
              HasSubstr("deviation 0 of channel 1, wanted above 0"));
  EXPECT_THAT(test::message_of([&] {
                cpu::normalize<float>({x.data(), 1, 2, 2, 3}, {sizes.data(), 1, 2},
                                      {zero.data(), 2}, {zero.data(), 3}, {y.data(), 1, 2, 2, 3});
              }),
              HasSubstr("2 means and 3 deviations for 3 channels"));
}

}  // namespace
}  // namespace ktrain
