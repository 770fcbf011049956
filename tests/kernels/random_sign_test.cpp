#include "kernels/random_sign.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

using test::Vec;

constexpr std::int32_t kNow[] = {3, 4};
const SignKey kKey{7, 0x800001, {&kNow[0], 1}};

Vec signs(std::uint32_t map, std::int64_t size, const SignKey& key = kKey) {
  const double one = 1;
  Vec s(static_cast<std::size_t>(size), 9.0);
  cpu::random_sign_backward<double>(key, map, {&one, 1}, {s.data(), size}, 1);
  return s;
}

double sum(const std::vector<Vec>& maps, double scale) {
  std::vector<Span<const double>> spans;
  for (const Vec& map : maps) spans.push_back({map.data(), std::ssize(map)});
  const Span<const Span<const double>> all{spans.data(), std::ssize(spans)};
  std::vector<std::byte> scratch(static_cast<std::size_t>(random_sign_scratch_bytes(all)));
  double value = NAN;
  cpu::random_sign_sum<double>(kKey, all, {&value, 1}, {scratch.data(), std::ssize(scratch)},
                               scale);
  return value;
}

TEST(RandomSign, IsTheSumOverAllMapsWithTheSignsOfTheGradient) {
  const std::vector<Vec> maps = {test::random_vec(100, 1), {}, test::random_vec(40000, 2)};
  double want = 0;
  for (const std::uint32_t m : {0u, 2u}) {
    const Vec s = signs(m, std::ssize(maps[m]));
    for (std::size_t i = 0; i < s.size(); ++i) want += s[i] * maps[m][i];
  }
  // 40100 terms below 1 in double, in another order.
  EXPECT_NEAR(sum(maps, 0.5), 0.5 * want, 1e-9);
}

// Of 4096 coins the heads are 2048 +- 32; five of these is one chance in two million.
TEST(RandomSign, SignsAreEvenAndOthersForAnotherMapAndStep) {
  const Vec s = signs(0, 4096), other = signs(1, 4096),
            later = signs(0, 4096, {kKey.seed, kKey.stream, {&kNow[1], 1}});
  double balance = 0, as_other = 0, as_later = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    EXPECT_EQ(std::abs(s[i]), 1);
    balance += s[i], as_other += s[i] * other[i], as_later += s[i] * later[i];
  }
  for (const double total : {balance, as_other, as_later}) EXPECT_LT(std::abs(total), 5 * 64);
}

TEST(RandomSign, RefusesWhatDoesNotFit) {
  const std::vector<Span<const float>> many(65);
  float value = 0;
  EXPECT_THAT(
      [&] {
        cpu::random_sign_sum<float>(kKey, {many.data(), 65}, {&value, 1}, {}, 1);
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("65 maps, at most 64 fit")));
  EXPECT_THAT(
      [&] {
        cpu::random_sign_backward<float>(kKey, 0, {&value, 0}, {&value, 1}, 1);
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("dvalue has 0 elements")));
  EXPECT_THAT(
      [&] {
        cpu::random_sign_backward<float>({1, 2, {}}, 0, {&value, 1}, {&value, 1}, 1);
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("1 wanted; 0 steps")));
}

}  // namespace
}  // namespace ktrain
