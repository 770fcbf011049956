// T7: closed forms of two losses over a grid of (a, b, r), and what holds for any number of losses.
#include "train/monitor/solvers.h"

#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/probe.h"

namespace ktrain {
namespace {

using solvers::Coefficients;

const std::vector<std::vector<std::size_t>> kPair = {{1}, {0}};

template <class Use>
void over_the_grid(Use&& use) {
  for (const double a : {0.1, 1.0, 2.0})
    for (const double b : {0.5, 1.0, 30.0})
      for (const double r : {-0.95, -0.6, -0.1, 0.0, 0.3, 0.9}) {
        SCOPED_TRACE(fmt::format("a = {}, b = {}, r = {}", a, b, r));
        use(a, b, r, test::gram_of(a, b, r));
      }
}

double along(const Gram& gram, const Coefficients& alpha, std::size_t j) {
  double sum = 0;
  for (std::size_t i = 0; i < gram.size(); ++i) sum += alpha[i] * gram(i, j);
  return sum;
}

double length(const Gram& gram, const Coefficients& alpha) {
  double sum = 0;
  for (std::size_t j = 0; j < gram.size(); ++j) sum += alpha[j] * along(gram, alpha, j);
  return std::sqrt(std::max(0.0, sum));
}

// Rounding: some ten operations on numbers of the size of the answer.
void expect_close(double found, double want, double rtol = 1e-11) {
  EXPECT_NEAR(found, want, 1e-13 + rtol * std::abs(want));
}

// T7.
TEST(Solvers, PcgradOfTwo) {
  over_the_grid([](double a, double b, double r, const Gram& gram) {
    const Coefficients alpha = solvers::pcgrad(gram, kPair);
    expect_close(alpha[0], r < 0 ? 1 - r * b / a : 1);
    expect_close(alpha[1], r < 0 ? 1 - r * a / b : 1);
    if (r < 0) expect_close(along(gram, alpha, 0), a * a * (1 - r * r), 1e-9);
    if (r < 0) expect_close(along(gram, alpha, 1), b * b * (1 - r * r), 1e-9);
  });
}

// T7.
TEST(Solvers, GradvacReachesItsTarget) {
  over_the_grid([](double a, double b, double r, const Gram& gram) {
    for (const double wanted : {-0.3, 0.0, 0.5}) {
      const Gram target = test::gram_of(1, 1, wanted);
      // g_1 alone is moved when the order of g_2 is empty.
      const Coefficients sum = solvers::gradvac(gram, target, {{1}, {}});
      const Coefficients moved = {sum[0], sum[1] - 1};
      const double cos = along(gram, moved, 1) / (b * length(gram, moved));
      EXPECT_NEAR(cos, std::max(r, wanted), 1e-9);
      EXPECT_EQ(moved[0], 1);
      (void)a;
    }
    // With target 0 it is PCGrad.
    const Coefficients vac = solvers::gradvac(gram, test::gram_of(1, 1, 0), kPair);
    const Coefficients pc = solvers::pcgrad(gram, kPair);
    expect_close(vac[0], pc[0]);
    expect_close(vac[1], pc[1]);
  });
}

// T7.
TEST(Solvers, MinNormOfTwo) {
  over_the_grid([](double a, double b, double r, const Gram& gram) {
    const Coefficients alpha = solvers::min_norm(gram);
    const double square = a * a + b * b - 2 * r * a * b;
    const double want = std::clamp((b * b - r * a * b) / square, 0.0, 1.0);
    expect_close(alpha[0], want);
    EXPECT_NEAR(alpha[0] + alpha[1], 1, 1e-14);
    if (want > 0 && want < 1) {
      const double shortest = a * a * b * b * (1 - r * r) / square;
      expect_close(length(gram, alpha) * length(gram, alpha), shortest, 1e-9);
      expect_close(along(gram, alpha, 0), shortest, 1e-9);
      expect_close(along(gram, alpha, 1), shortest, 1e-9);
    }
  });
}

// T7: ||d - g_0|| = c ||g_0||: the ball is always tight; equal norms give (1 + c) g_0; and no other
// direction of the ball has a better worst loss.
TEST(Solvers, CagradOfTwo) {
  over_the_grid([](double a, double b, double, const Gram& gram) {
    for (const double c : {0.0, 0.4, 0.9}) {
      const Coefficients alpha = solvers::cagrad(gram, c);
      const double mean = length(gram, {0.5, 0.5});
      EXPECT_NEAR(length(gram, {alpha[0] - 0.5, alpha[1] - 0.5}), c * mean, 1e-9 * (1 + mean));
      if (a == b) {
        expect_close(alpha[0], (1 + c) / 2, 1e-7);
        expect_close(alpha[1], (1 + c) / 2, 1e-7);
      }
      const double worst = std::min(along(gram, alpha, 0), along(gram, alpha, 1));
      for (int turn = 0; turn < 360; ++turn) {  // the ball's border in an orthonormal basis
        const double angle = turn * 0.017453292519943295;
        const double sine = std::sqrt(gram(0, 0) * gram(1, 1) - gram(0, 1) * gram(0, 1)) / a;
        const double y = c * mean * std::sin(angle) / sine;
        const double x = (c * mean * std::cos(angle) - y * gram(0, 1) / a) / a;
        const Coefficients other = {0.5 + x, 0.5 + y};
        EXPECT_LE(std::min(along(gram, other, 0), along(gram, other, 1)),
                  worst + 1e-7 * (1 + std::abs(worst)));
      }
    }
  });
}

TEST(Solvers, CagradDoesNotPromiseToAvoidConflict) {
  const Gram gram = test::gram_of(2, 0.5, -0.6);
  EXPECT_NEAR(along(gram, {0.5, 0.5}, 1), -0.175, 1e-12);
  EXPECT_NEAR(along(gram, solvers::cagrad(gram, 0.4), 1), 0, 0.02);
}

// T7.
TEST(Solvers, UpgradOfTwoIsHalfOfPcgrad) {
  over_the_grid([](double, double, double, const Gram& gram) {
    const Coefficients up = solvers::upgrad(gram), pc = solvers::pcgrad(gram, kPair);
    expect_close(up[0], pc[0] / 2);
    expect_close(up[1], pc[1] / 2);
  });
}

// T7.
TEST(Solvers, ImtlGOfTwo) {
  over_the_grid([](double a, double b, double, const Gram& gram) {
    const auto alpha = solvers::imtl_g(gram);
    ASSERT_TRUE(alpha);
    expect_close((*alpha)[0], b / (a + b), 1e-9);
    expect_close((*alpha)[1], a / (a + b), 1e-9);
  });
  EXPECT_FALSE(solvers::imtl_g(test::gram_of(1, 2, 1)));
}

// T7.
TEST(Solvers, NashOfTwo) {
  over_the_grid([](double a, double b, double r, const Gram& gram) {
    const auto alpha = solvers::nash_mtl(gram);
    ASSERT_TRUE(alpha);
    expect_close((*alpha)[0], 1 / (a * std::sqrt(1 + r)), 1e-9);
    expect_close((*alpha)[1], 1 / (b * std::sqrt(1 + r)), 1e-9);
  });
  EXPECT_FALSE(solvers::nash_mtl(test::gram_of(1, 2, -1)));
}

// T7.
TEST(Solvers, AlignedOfTwo) {
  const std::vector<double> half = {0.5, 0.5};
  for (const double r : {-0.9, -0.3, 0.3, 0.9}) {
    const Coefficients alpha = solvers::aligned_mtl(test::gram_of(1, 1, r), half);
    const double want = r < 0 ? 0.5 : 0.5 * std::sqrt((1 - r) / (1 + r));
    expect_close(alpha[0], want);
    expect_close(alpha[1], want);
  }
}

Gram random_gram(std::size_t losses, std::uint32_t sample, std::size_t dimension) {
  const RandomKey key{5, 904, 0};
  test::Vectors g(losses, std::vector<double>(dimension));
  for (std::size_t k = 0; k < losses; ++k)
    for (std::size_t c = 0; c < dimension; ++c)
      g[k][c] = static_cast<double>(k + 1) *
                test::normal_of(key, sample, static_cast<std::uint32_t>(16 * k + c));
  return test::gram_of(g);
}

// T7: Exact MGDA, Nash-MTL and UPGrad never conflict, whatever K; in 2 to 6 dimensions gradients of
// 3 to 9 losses conflict and depend on each other.
TEST(Solvers, NeverConflictForAnyNumberOfLosses) {
  int conflicts = 0;
  for (std::uint32_t sample = 0; sample < 300; ++sample) {
    const std::size_t losses = 3 + sample % 7, dimension = 2 + sample % 5;
    const Gram gram = random_gram(losses, sample, dimension);
    double scale = 0;
    for (std::size_t k = 0; k < losses; ++k) scale = std::max(scale, gram(k, k));
    const Coefficients mean(losses, 1.0 / static_cast<double>(losses));
    std::vector<Coefficients> answers = {solvers::upgrad(gram), solvers::min_norm(gram)};
    if (const auto nash = solvers::nash_mtl(gram)) answers.push_back(*nash);
    for (std::size_t j = 0; j < losses; ++j) {
      conflicts += along(gram, mean, j) < 0;
      for (const Coefficients& alpha : answers)
        EXPECT_GE(along(gram, alpha, j), -1e-8 * scale) << sample << " " << losses;
    }
  }
  EXPECT_GT(conflicts, 100);
}

// The shortest vector of the hull by its own condition: d.g_k >= ||d||^2 for all k.
TEST(Solvers, MinNormMeetsItsCondition) {
  for (std::uint32_t sample = 0; sample < 300; ++sample) {
    const std::size_t losses = 2 + sample % 8;
    const Gram gram = random_gram(losses, 1000 + sample, 2 + sample % 9);
    const Coefficients alpha = solvers::min_norm(gram);
    EXPECT_NEAR(std::accumulate(alpha.begin(), alpha.end(), 0.0), 1, 1e-12);
    const double square = length(gram, alpha) * length(gram, alpha);
    for (std::size_t k = 0; k < losses; ++k) {
      EXPECT_GE(alpha[k], 0);
      EXPECT_GE(along(gram, alpha, k), square - 1e-8 * gram(losses - 1, losses - 1));
    }
  }
}

TEST(Solvers, EigenOfGrams) {
  for (std::uint32_t sample = 0; sample < 20; ++sample) {
    const Gram gram = random_gram(9, 2000 + sample, 12);
    const solvers::Eigen parts = solvers::eigen(gram);
    for (std::size_t k = 0; k < 9; ++k) {
      EXPECT_GE(parts.values[k], parts.values[k > 0 ? k - 1 : 0]);
      for (std::size_t j = 0; j < 9; ++j)
        EXPECT_NEAR(along(gram, parts.vectors[k], j), parts.values[k] * parts.vectors[k][j],
                    1e-11 * parts.values[8]);
    }
  }
}

}  // namespace
}  // namespace ktrain
