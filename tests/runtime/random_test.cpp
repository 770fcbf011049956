#include "runtime/random.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrain {
namespace {

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};

Moments moments(const std::vector<float>& x) {
  Moments m;
  for (const float v : x) m.mean += v / static_cast<double>(x.size());
  for (const float v : x) {
    m.deviation += (v - m.mean) * (v - m.mean) / static_cast<double>(x.size());
    m.largest = std::fmax(m.largest, std::abs(v));
  }
  m.deviation = std::sqrt(m.deviation);
  return m;
}

TEST(InitialTensor, DependsOnSeedAndNameAlone) {
  const ContextPtr context = make_cpu_context();
  const auto draw = [&](std::uint64_t seed, std::string_view name) {
    return initial_tensor(context, {4, 3, 3, 5}, normal(1), seed, name).to_vector<float>();
  };
  EXPECT_EQ(draw(1, "a.weight"), draw(1, "a.weight"));
  EXPECT_NE(draw(1, "a.weight"), draw(2, "a.weight"));
  EXPECT_NE(draw(1, "a.weight"), draw(1, "b.weight"));
}

TEST(InitialTensor, HasTheSpreadThatWasAskedFor) {
  const ContextPtr context = make_cpu_context();
  const Shape shape = {32, 3, 3,
                       64};  // 18,432 elements: a deviation is known to 1/sqrt(2n) = 0.5 %
  const Moments he =
      moments(initial_tensor(context, shape, kaiming_normal(shape), 7, "he").to_vector<float>());
  EXPECT_NEAR(he.deviation, std::sqrt(2.0 / (32 * 9)), 0.03 * std::sqrt(2.0 / (32 * 9)));
  EXPECT_NEAR(he.mean, 0, 4 * he.deviation / std::sqrt(18432.0));

  const double bound = std::sqrt(6.0 / ((32 + 64) * 9));
  const Moments xavier = moments(
      initial_tensor(context, shape, xavier_uniform(shape), 7, "xavier").to_vector<float>());
  EXPECT_LE(xavier.largest, bound);
  EXPECT_GT(xavier.largest, 0.99 * bound);
  EXPECT_NEAR(xavier.deviation, bound / std::sqrt(3.0), 0.03 * bound);

  EXPECT_THAT(initial_tensor(context, {3}, constant(0.5), 7, "constant").to_vector<float>(),
              testing::Each(0.5f));
}

TEST(InitialTensor, IdentityRepeatsAlongTheLastAxis) {
  const ContextPtr context = make_cpu_context();
  EXPECT_THAT(
      initial_tensor(context, {2, 1, 1, 4}, identity(0.5), 7, "identity").to_vector<float>(),
      testing::ElementsAre(0.5f, 0, 0.5f, 0, 0, 0.5f, 0, 0.5f));
}

TEST(InitialTensor, FansOfAMatrixAreItsSides) {
  EXPECT_DOUBLE_EQ(xavier_uniform({1024, 12544}).scale, std::sqrt(6.0 / (1024 + 12544)));
}

}  // namespace
}  // namespace ktrain
