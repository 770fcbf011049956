#include "kernels/adamw.h"

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
struct State {
  std::vector<T> weight, m, v;
};

template <class T>
void step(State<T>& s, const std::vector<T>& gradient, const AdamwOptions& options, int number,
          T gradient_scale = 1) {
  const auto numbers = adamw_numbers<T>(options, number);
  const auto n = static_cast<std::int64_t>(gradient.size());
  const AdamwTensor<T> all{
      {gradient.data(), n}, {s.weight.data(), n}, {s.m.data(), n}, {s.v.data(), n}};
  cpu::adamw<T>({&all, 1}, {numbers.data(), kAdamwNumbers}, {&gradient_scale, 1});
}

class Adamw : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Adamw, testing::Values(0, 1, 17, 16384, 16385, 50001));

TEST_P(Adamw, FollowsThePaper) {
  const std::size_t n = GetParam();
  const AdamwOptions options{1e-2, 0.8, 0.95, 1e-8, 0.1};
  State<double> s{random_vec(n, 1), Vec(n), Vec(n)};
  Vec w = s.weight, m(n), v(n);
  for (int t = 1; t <= 3; ++t) {
    const Vec g = random_vec(n, static_cast<unsigned>(10 + t));
    step(s, g, options, t, 0.5);
    for (std::size_t i = 0; i < n; ++i) {
      const double clipped = 0.5 * g[i];
      m[i] = 0.8 * m[i] + 0.2 * clipped;
      v[i] = 0.95 * v[i] + 0.05 * clipped * clipped;
      const double m_hat = m[i] / (1 - std::pow(0.8, t)), v_hat = v[i] / (1 - std::pow(0.95, t));
      w[i] = w[i] - 1e-2 * 0.1 * w[i] - 1e-2 * m_hat / (std::sqrt(v_hat) + 1e-8);
    }
  }
  // The same formula bracketed otherwise: a few roundings of numbers below 2.
  EXPECT_TRUE(test::all_close(s.weight, w, 1e-14, 0));
  EXPECT_TRUE(test::all_close(s.m, m, 1e-15, 0));
  EXPECT_TRUE(test::all_close(s.v, v, 1e-15, 0));
}

// m / (1 - beta1) is g and the root of v / (1 - beta2) is |g|: the update is lr * sign(g).
TEST(AdamwValues, TheFirstStepIsTheSignOfTheGradient) {
  const AdamwOptions options{1e-2, 0.9, 0.999, 1e-8, 0.1};
  State<double> s{{1, -2, 0.5}, Vec(3), Vec(3)};
  step(s, {0.1, -0.2, 0.0}, options, 1);
  EXPECT_NEAR(s.weight[0], 0.999 - 0.01, 1e-8);  // eps / |g| = 1e-7 of the update
  EXPECT_NEAR(s.weight[1], -1.998 + 0.01, 1e-8);
  EXPECT_EQ(s.weight[2], 0.5 * (1 - 1e-2 * 0.1));
}

TEST(AdamwValues, FloatFollowsDouble) {
  const std::size_t n = 1000;
  const AdamwOptions options{1e-3, 0.9, 0.999, 1e-8, 1e-2};
  State<double> d{random_vec(n, 1), Vec(n), Vec(n)};
  State<float> f{{d.weight.begin(), d.weight.end()}, std::vector<float>(n), std::vector<float>(n)};
  for (int t = 1; t <= 20; ++t) {
    const Vec g = random_vec(n, static_cast<unsigned>(t));
    step(d, g, options, t);
    step(f, std::vector<float>(g.begin(), g.end()), options, t);
  }
  // 20 steps, each with one rounding of a weight below 1 (6e-8) and an update of 1e-3 known to
  // about 1e-6 of itself.
  EXPECT_TRUE(test::all_close(f.weight, d.weight, 20 * 7e-8, 0));
}

TEST(AdamwErrors, AreNamed) {
  EXPECT_THROW((void)adamw_numbers<float>({}, 0), Error);
  std::vector<float> w(2), m(2), v(3);
  const std::vector<float> g(2), numbers(kAdamwNumbers);
  const float one = 1;
  try {
    const AdamwTensor<float> all{{g.data(), 2}, {w.data(), 2}, {m.data(), 2}, {v.data(), 3}};
    cpu::adamw<float>({&all, 1}, {numbers.data(), kAdamwNumbers}, {&one, 1});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::StartsWith("adamw: 2 weights, 2 gradients, 2 first and 3 second moments"));
  }
}

}  // namespace
}  // namespace ktrain
