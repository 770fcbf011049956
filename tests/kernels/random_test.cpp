#include "kernels/random.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/parallel.h"

namespace ktrain {
namespace {

using testing::ElementsAre;

std::vector<std::uint32_t> list(const RandomWords& words) {
  return {words.word[0], words.word[1], words.word[2], words.word[3]};
}

// kat_vectors of Random123 1.14, philox4x32 10 rounds.
TEST(Random, PhiloxGivesTheKnownAnswers) {
  EXPECT_THAT(list(philox({{0, 0, 0, 0}}, 0, 0)),
              ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  const std::uint32_t ones = 0xffffffffu;
  EXPECT_THAT(list(philox({{ones, ones, ones, ones}}, ones, ones)),
              ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
  EXPECT_THAT(list(philox({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0xa4093822u,
                          0x299f31d0u)),
              ElementsAre(0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u));
}

TEST(Random, EveryCoordinateMatters) {
  const RandomKey key{.seed = 7, .stream = 3, .epoch = 2};
  std::set<std::vector<std::uint32_t>> seen{list(random_words(key, 5, 9))};
  seen.insert(list(random_words(key, 5, 10)));
  seen.insert(list(random_words(key, 6, 9)));
  seen.insert(list(random_words(key, 5, 9, 1)));
  seen.insert(list(random_words({.seed = 8, .stream = 3, .epoch = 2}, 5, 9)));
  seen.insert(list(random_words({.seed = 7 + (1ull << 32), .stream = 3, .epoch = 2}, 5, 9)));
  seen.insert(list(random_words({.seed = 7, .stream = 4, .epoch = 2}, 5, 9)));
  seen.insert(list(random_words({.seed = 7, .stream = 3, .epoch = 3}, 5, 9)));
  EXPECT_EQ(seen.size(), 8u);
}

TEST(Random, UniformStaysBelowOneAtTheExtremes) {
  const std::uint32_t ones = 0xffffffffu;
  EXPECT_EQ(uniform_float({{ones, ones, ones, ones}}), 1.0f - 0x1p-24f);
  EXPECT_EQ(uniform_double({{ones, ones, ones, ones}}), 1.0 - 0x1p-53);
  EXPECT_EQ(uniform_float({{0, 0, 0, 0}}), 0.0f);
  EXPECT_EQ(uniform_double({{0, 0, 0, 0}}), 0.0);
  // The ends of Box and Muller: u = 0 gives radius 0, the largest u a finite one.
  EXPECT_EQ(normal_pair({{0, 0, 0, 0}}).first, 0.0);
  EXPECT_TRUE(std::isfinite(normal_pair({{ones, ones, ones, ones}}).first));
}

TEST(Random, BoundedIntegersAreEven) {
  const RandomKey key{.seed = 1, .stream = 2, .epoch = 3};
  // 7 cells of 10,000 expected draws: chi squared with 6 degrees passes 22.46 once in 1000 seeds.
  std::vector<double> count(7, 0.0);
  for (std::uint32_t i = 0; i < 70000; ++i) ++count.at(uniform_integer(key, 0, i, 7));
  double chi = 0;
  for (const double c : count) chi += (c - 10000) * (c - 10000) / 10000;
  EXPECT_LT(chi, 22.46);
  // A bound just above 2^31 rejects nearly every second word; without it low values come twice as
  // often.
  const std::uint32_t bound = (1u << 31) + 1;
  int low = 0;
  for (std::uint32_t i = 0; i < 10000; ++i) low += uniform_integer(key, 1, i, bound) < bound / 2;
  EXPECT_NEAR(low, 5000, 250);  // 5 standard deviations of 50
  EXPECT_EQ(uniform_integer(key, 0, 0, 1), 0u);
}

TEST(Random, MomentsOfUniformAndNormal) {
  const std::int64_t size = 200001;
  const RandomKey key{.seed = 11, .stream = 1, .epoch = 0};
  std::vector<double> x(size);
  cpu::fill_normal(key, 4, Span<double>{x.data(), size}, 2.0, 3.0);
  double mean = 0, square = 0;
  for (const double v : x) mean += v / static_cast<double>(size);
  for (const double v : x) square += (v - mean) * (v - mean) / static_cast<double>(size);
  // Five standard errors: 3 / sqrt(n) and 9 * sqrt(2 / n).
  EXPECT_NEAR(mean, 2.0, 5 * 3.0 / std::sqrt(200001.0));
  EXPECT_NEAR(square, 9.0, 5 * 9.0 * std::sqrt(2 / 200001.0));

  std::vector<float> u(size);
  cpu::fill_uniform(key, 4, Span<float>{u.data(), size}, -1.0, 2.0);
  EXPECT_GE(*std::min_element(u.begin(), u.end()), -1.0f);
  EXPECT_LT(*std::max_element(u.begin(), u.end()), 2.0f);
  EXPECT_NEAR(std::accumulate(u.begin(), u.end(), 0.0) / static_cast<double>(size), 0.5,
              5 * 3.0 / std::sqrt(12.0 * 200001.0));
}

TEST(Random, FillsDoNotDependOnThreadsOrLength) {
  const RandomKey key{.seed = 5, .stream = 9, .epoch = 1};
  const int threads = num_threads();
  std::vector<float> one(40001), many(40001), part(3);
  set_num_threads(1);
  cpu::fill_normal(key, 0, Span<float>{one.data(), 40001}, 0, 1);
  set_num_threads(3);
  cpu::fill_normal(key, 0, Span<float>{many.data(), 40001}, 0, 1);
  cpu::fill_normal(key, 0, Span<float>{part.data(), 3}, 0, 1);
  set_num_threads(threads);
  EXPECT_EQ(one, many);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), one.begin()));
  cpu::fill_normal(key, 0, Span<float>{}, 0, 1);
}

TEST(Random, OrderIsAPermutationThatTheKeyDecides) {
  std::vector<std::int64_t> a(1000), b(1000), sorted;
  cpu::random_order({.seed = 1, .stream = 0, .epoch = 0}, 0, {a.data(), 1000});
  cpu::random_order({.seed = 1, .stream = 0, .epoch = 1}, 0, {b.data(), 1000});
  EXPECT_NE(a, b);
  sorted = a;
  std::sort(sorted.begin(), sorted.end());
  for (std::int64_t i = 0; i < 1000; ++i) ASSERT_EQ(sorted[static_cast<std::size_t>(i)], i);
  std::int64_t single = 9;
  cpu::random_order({}, 0, {&single, 1});
  EXPECT_EQ(single, 0);
}

}  // namespace
}  // namespace ktrain
