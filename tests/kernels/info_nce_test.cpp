// T15: known values of InfoNCE, and its gradients.
#include "kernels/info_nce.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

using test::rows;
using test::span;

template <class T>
struct Case {
  std::int64_t n = 0, d = 0;
  std::vector<T> u, v, scale = {T(std::log(1 / 0.07))}, valid, weight;
  std::vector<std::uint8_t> exclude;
  InfoNceOptions options;

  std::vector<T> logits, row, col, factor, stats;
  std::vector<std::int32_t> anchors;

  Case(std::int64_t rows, std::int64_t channels)
      : n(rows),
        d(channels),
        u(static_cast<std::size_t>(rows * channels)),
        v(u.size()),
        valid(static_cast<std::size_t>(rows), T{1}) {}

  [[nodiscard]] InfoNceInputs<T> inputs() const {
    InfoNceInputs<T> in{{u.data(), n, d}, {v.data(), n, d}, span(scale),
                        span(valid),      span(weight),     {}};
    if (!exclude.empty()) in.exclude = rows(exclude, n);
    return in;
  }
  T loss() {
    const auto size = static_cast<std::size_t>(n);
    logits.assign(size * size, T(NAN)), row.assign(size, T(NAN)), col = factor = row;
    stats.assign(kNumInfoNceStats, T(NAN)), anchors.assign(1, -1);
    std::vector<T> loss = {T(NAN)};
    cpu::info_nce_forward<T>(inputs(), {{logits.data(), n, n}, span(row), span(col), span(factor)},
                             span(stats), span(anchors), span(loss), {}, options);
    return loss[0];
  }
  struct Gradients {
    std::vector<T> du, dv, dscale;
  };
  Gradients gradients(T dloss) {
    (void)loss();
    const std::vector<T> slope = {dloss};
    Gradients g{std::vector<T>(u.size(), T(NAN)), std::vector<T>(u.size(), T(NAN)), {T(NAN)}};
    const Case& here = *this;
    cpu::info_nce_backward<T>(
        inputs(), {{here.logits.data(), n, n}, span(here.row), span(here.col), span(here.factor)},
        span(slope), {{g.du.data(), n, d}, {g.dv.data(), n, d}, span(g.dscale)}, {}, options);
    return g;
  }
};

// Everything that can happen at once: a padded row, excluded pairs, a row left without negatives.
Case<double> mixed(std::int64_t n = 7, std::int64_t d = 5) {
  Case<double> c(n, d);
  c.u = test::random_vec(c.u.size(), 1);
  c.v = test::random_vec(c.v.size(), 2);
  c.scale = {0.7};
  c.valid[2] = 0;
  c.weight = test::random_vec(static_cast<std::size_t>(n), 3, 0.1, 1);
  c.weight[5] = 0;
  c.exclude.assign(static_cast<std::size_t>(n * n), 0);
  const auto exclude = [&](std::int64_t i, std::int64_t j) {
    c.exclude[static_cast<std::size_t>(i * n + j)] = 1;
    c.exclude[static_cast<std::size_t>(j * n + i)] = 1;
  };
  for (std::int64_t i = 0; i < n; ++i) exclude(i, i);
  exclude(0, 1);
  exclude(3, 4);
  for (std::int64_t j = 0; j < n; ++j) exclude(6, j);
  return c;
}

// T15.
TEST(InfoNce, EqualEmbeddingsScoreTheLogOfTheirNumber) {
  for (const std::int64_t n : {2, 3, 17, 256}) {
    Case<double> c(n, 4);
    c.u.assign(c.u.size(), 0.5);
    c.v.assign(c.v.size(), 0.5);
    EXPECT_NEAR(c.loss(), std::log(static_cast<double>(n)), 1e-12) << n;
    // A sum of n terms: n roundings of half a unit in the last place.
    EXPECT_NEAR(c.stats[kStatChance], std::log(static_cast<double>(n)),
                1e-14 + 6e-16 * static_cast<double>(n));
    EXPECT_EQ(c.stats[kStatMeanNegatives], static_cast<double>(n - 1));
    EXPECT_EQ(c.stats[kStatFirst], 0) << "nobody is nearer than anybody";
  }
}

// T15.
TEST(InfoNce, OrthonormalPairsScoreWhatTheTemperatureLeaves) {
  for (const double temperature : {0.07, 0.5, 1.0}) {
    Case<double> c(8, 8);
    for (std::size_t i = 0; i < 8; ++i) c.u[9 * i] = c.v[9 * i] = 1;
    const double want = std::log(1 + 7 * std::exp(-1 / temperature));
    c.scale = {std::log(1 / temperature)};
    EXPECT_NEAR(c.loss(), want, 1e-12);
    EXPECT_EQ(c.stats[kStatFirst], 1);
    c.scale = {temperature};
    c.options.raw_temperature = true;
    EXPECT_NEAR(c.loss(), want, 1e-12);
  }
}

// T15.
TEST(InfoNce, GradientsAreTheSlopes) {
  for (const bool one_directional : {false, true})
    for (const bool raw : {false, true}) {
      Case<double> c = mixed();
      c.options = {1, one_directional, raw};
      const double dloss = 1.7;
      const auto g = c.gradients(dloss);
      const auto error = [&](std::vector<double> Case<double>::*input,
                             const std::vector<double>& got) {
        return test::gradient_error(
            [&](const test::Vec& x) {
              Case<double> moved = c;
              moved.*input = x;
              return test::Vec{moved.loss()};
            },
            c.*input, {dloss}, got);
      };
      // Central differences of step 1e-5: truncation 1e-10, rounding 1e-16 / 1e-5.
      EXPECT_LT(error(&Case<double>::u, g.du), 1e-8) << one_directional << raw;
      EXPECT_LT(error(&Case<double>::v, g.dv), 1e-8) << one_directional << raw;
      EXPECT_LT(error(&Case<double>::scale, g.dscale), 1e-8) << one_directional << raw;
    }
}

// Written down again, without the shortcuts of the kernel.
TEST(InfoNce, MaskedRowsAndExcludedPairsTakeNoPart) {
  Case<double> c = mixed();
  const double loss = c.loss();
  const double s = std::exp(0.7);
  const auto logit = [&](std::int64_t i, std::int64_t j) {
    double sum = 0;
    for (std::int64_t k = 0; k < c.d; ++k)
      sum +=
          c.u[static_cast<std::size_t>(i * c.d + k)] * c.v[static_cast<std::size_t>(j * c.d + k)];
    return s * sum;
  };
  double want = 0, chance = 0;
  for (const std::int64_t i : {0, 1, 3, 4, 5}) {
    double row = std::exp(logit(i, i)), col = row;
    int negatives = 0;
    for (const std::int64_t j : {0, 1, 3, 4, 5}) {
      if (j == i || i + j == 1 || (i + j == 7 && i != 5 && j != 5)) continue;
      row += std::exp(logit(i, j)), col += std::exp(logit(j, i)), ++negatives;
    }
    const double w = c.weight[static_cast<std::size_t>(i)] / 5;
    want += w * (std::log(row) + std::log(col) - 2 * logit(i, i)) / 2;
    chance += w * std::log(1.0 + negatives);
  }
  EXPECT_NEAR(loss, want, 1e-13);
  EXPECT_NEAR(c.stats[kStatChance], chance, 1e-14);
  EXPECT_EQ(c.anchors[0], 5);
  EXPECT_EQ(c.stats[kStatRows], 6);
  EXPECT_EQ(c.stats[kStatLeastNegatives], 3);
  const auto g = c.gradients(1);
  for (const std::size_t r : {2u, 6u})
    for (std::size_t k = 0; k < 5; ++k) {
      EXPECT_EQ(g.du[5 * r + k], 0) << "row " << r;
      EXPECT_EQ(g.dv[5 * r + k], 0) << "row " << r;
    }
  // A padded row may hold anything.
  for (std::size_t k = 0; k < 5; ++k) c.u[10 + k] = c.v[10 + k] = NAN;
  EXPECT_EQ(c.loss(), loss);
}

TEST(InfoNce, WithoutAnAnchorNothingHappens) {
  for (const std::int64_t n : {0, 1}) {
    Case<double> c(n, 3);
    c.u = test::random_vec(c.u.size(), 1);
    EXPECT_EQ(c.loss(), 0);
    EXPECT_EQ(c.anchors[0], 0);
    const auto g = c.gradients(1);
    for (const double x : g.du) EXPECT_EQ(x, 0);
    EXPECT_EQ(g.dscale[0], 0);
  }
  Case<double> few = mixed();
  few.options.least_negatives = 6;
  EXPECT_EQ(few.loss(), 0);
  EXPECT_EQ(few.stats[kStatRows], 6) << "rows there were";
}

TEST(InfoNce, FloatAgreesWithDoubleAndNanShows) {
  Case<double> c = mixed(40, 16);
  Case<float> f(40, 16);
  const auto narrow = [](const std::vector<double>& x) {
    return std::vector<float>(x.begin(), x.end());
  };
  f.u = narrow(c.u), f.v = narrow(c.v), f.scale = narrow(c.scale);
  f.valid = narrow(c.valid), f.weight = narrow(c.weight), f.exclude = c.exclude;
  // Sums are taken in double: what is left is the rounding of inputs and of stored logits, 6e-8 of
  // numbers up to 10.
  EXPECT_NEAR(f.loss(), c.loss(), 3e-6);
  const auto want = c.gradients(1.0);
  const auto got = f.gradients(1.0f);
  EXPECT_TRUE(test::all_close(got.du, want.du, 1e-6, 1e-5));
  EXPECT_TRUE(test::all_close(got.dv, want.dv, 1e-6, 1e-5));
  EXPECT_TRUE(test::all_close(got.dscale, want.dscale, 1e-6, 1e-5));
  f.u[0] = NAN;
  EXPECT_TRUE(std::isnan(f.loss()));
}

TEST(InfoNce, WrongShapesAreErrors) {
  Case<float> c(3, 2);
  c.valid.pop_back();
  EXPECT_THROW((void)c.loss(), Error);
  Case<float> none(3, 2);
  none.options.least_negatives = 0;
  EXPECT_THROW((void)none.loss(), Error);
}

}  // namespace
}  // namespace ktrain
