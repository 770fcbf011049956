#include "kernels/norm.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/parallel.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::all_close;
using test::random_vec;
using test::Vec;

template <class T>
Span<T> span(std::vector<T>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}
template <class T>
Span<const T> span(const std::vector<T>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}

constexpr double kEps = 1e-5;

// scale and shift of frozen statistics, one after the other.
Vec fold(const Vec& gamma, const Vec& beta, const Vec& mean, const Vec& var) {
  Vec scale(gamma.size()), shift(gamma.size());
  const NormFold<double> norm{span(gamma), span(beta),  span(mean),
                              span(var),   span(scale), span(shift)};
  cpu::norm_fold_forward<double>({&norm, 1}, kEps);
  scale.insert(scale.end(), shift.begin(), shift.end());
  return scale;
}

template <class T>
std::vector<T> gamma_gradient(const std::vector<T>& dscale, const std::vector<T>& dshift,
                              const std::vector<T>& mean, const std::vector<T>& var) {
  std::vector<T> dgamma(var.size());
  const NormFoldGradient<T> norm{span(dscale), span(dshift), span(mean), span(var), span(dgamma)};
  cpu::norm_fold_backward<T>({&norm, 1}, kEps);
  return dgamma;
}

TEST(FrozenNorm, IsTheNormalisationAsScaleAndShift) {
  const Vec gamma = random_vec(5, 1), beta = random_vec(5, 2), mean = random_vec(5, 3),
            var = random_vec(5, 4, 0.1, 2), x = random_vec(5, 5);
  const Vec affine = fold(gamma, beta, mean, var);
  for (std::size_t c = 0; c < 5; ++c)
    EXPECT_NEAR(affine[c] * x[c] + affine[5 + c],
                gamma[c] * (x[c] - mean[c]) / std::sqrt(var[c] + kEps) + beta[c], 1e-14);
}

TEST(FrozenNorm, BackwardIsTheDerivative) {
  const Vec gamma = random_vec(4, 1), beta = random_vec(4, 2), mean = random_vec(4, 3),
            var = random_vec(4, 4, 0.1, 2), cotangent = random_vec(8, 5);
  const Vec dscale(cotangent.begin(), cotangent.begin() + 4);
  const Vec dshift(cotangent.begin() + 4, cotangent.end());
  const Vec dgamma = gamma_gradient(dscale, dshift, mean, var);
  // Linear in gamma and beta: only rounding over the step of 1e-5 is left.
  EXPECT_LT(test::gradient_error([&](const Vec& g) { return fold(g, beta, mean, var); }, gamma,
                                 cotangent, dgamma),
            1e-9);
  EXPECT_LT(test::gradient_error([&](const Vec& b) { return fold(gamma, b, mean, var); }, beta,
                                 cotangent, dshift),
            1e-9);
}

// To the bit, the sign of a zero too.
TEST(FrozenNorm, WhatIsMissingAddsNothing) {
  const std::vector<float> dscale = {0.3f, -0.0f, 0.0f}, dshift = {0.7f, 0.0f, -0.0f},
                           mean = {-0.4f, 2, 2}, var = {0.5f, 1, 1}, none;
  const float inv = 1 / std::sqrt(0.5f + 1e-5f);
  const auto of_scale = gamma_gradient(dscale, none, mean, var),
             of_shift = gamma_gradient(none, dshift, mean, var);
  EXPECT_FLOAT_EQ(of_scale[0], 0.3f * inv);
  EXPECT_FLOAT_EQ(of_shift[0], 0.4f * 0.7f * inv);
  for (const std::size_t c : {1u, 2u}) {
    EXPECT_EQ(std::signbit(of_scale[c]), std::signbit(dscale[c]));
    EXPECT_EQ(std::signbit(of_shift[c]), std::signbit(-2 * dshift[c]));
  }
}

TEST(FrozenNorm, ListsHoldNormsOfAnySize) {
  const Vec gamma = random_vec(7, 1), beta = random_vec(7, 2), mean = random_vec(7, 3),
            var = random_vec(7, 4, 0.1, 2), want = fold(gamma, beta, mean, var);
  Vec scale(7), shift(7);
  std::vector<NormFold<double>> list;
  for (const auto& [begin, size] : {std::pair{0, 3}, {3, 0}, {3, 4}}) {
    const auto part = [b = begin, n = std::int64_t{size}](auto& v) {
      return Span{v.data() + b, n};
    };
    list.push_back({part(gamma), part(beta), part(mean), part(var), part(scale), part(shift)});
  }
  cpu::norm_fold_forward<double>(list, kEps);
  scale.insert(scale.end(), shift.begin(), shift.end());
  EXPECT_EQ(scale, want);
  cpu::norm_fold_forward<double>({}, kEps);
  cpu::norm_fold_backward<double>({}, kEps);
}

template <class T>
struct Trained {
  std::vector<T> y, mean, inv, running_mean, running_var;
};

template <class T>
Trained<T> train(const std::vector<T>& x, const std::vector<T>& gamma, const std::vector<T>& beta,
                 std::int64_t rows) {
  const std::size_t channels = gamma.size();
  const auto cols = static_cast<std::int64_t>(channels);
  Trained<T> out{std::vector<T>(x.size()), std::vector<T>(channels), std::vector<T>(channels),
                 std::vector<T>(channels, T{0}), std::vector<T>(channels, T{1})};
  std::vector<std::byte> scratch(static_cast<std::size_t>(norm_train_scratch_bytes(rows, cols)));
  cpu::norm_train_forward<T>(
      {x.data(), rows, cols}, {span(gamma), span(beta)}, span(scratch),
      {span(out.mean), span(out.inv), span(out.running_mean), span(out.running_var)},
      {out.y.data(), rows, cols}, kEps, 0.1);
  return out;
}

TEST(TrainedNorm, NormalisesEachChannelAndMovesTheRunningStatistics) {
  for (const std::int64_t rows : {2, 255, 257, 700}) {
    const std::int64_t cols = 3;
    const Vec x = random_vec(static_cast<std::size_t>(rows * cols), 1, 2, 5);
    const Vec gamma = {1, 2, -1}, beta = {0, 1, 2};
    const auto got = train<double>(x, gamma, beta, rows);
    for (std::size_t c = 0; c < 3; ++c) {
      double mean = 0, var = 0;
      for (std::size_t i = c; i < x.size(); i += 3) mean += x[i] / static_cast<double>(rows);
      for (std::size_t i = c; i < x.size(); i += 3)
        var += (x[i] - mean) * (x[i] - mean) / static_cast<double>(rows);
      EXPECT_NEAR(got.running_mean[c], 0.1 * mean, 1e-12);
      EXPECT_NEAR(got.running_var[c],
                  0.9 + 0.1 * var * static_cast<double>(rows) / static_cast<double>(rows - 1),
                  1e-12);
      for (std::size_t i = c; i < x.size(); i += 3)
        EXPECT_NEAR(got.y[i], gamma[c] * (x[i] - mean) / std::sqrt(var + kEps) + beta[c], 1e-11);
    }
  }
}

TEST(TrainedNorm, OneRowLeavesTheRunningVariance) {
  const auto got = train<double>({4, 5}, {1, 1}, {7, 8}, 1);
  EXPECT_EQ(got.y, (Vec{7, 8}));
  EXPECT_EQ(got.running_var, (Vec{1, 1}));
  EXPECT_DOUBLE_EQ(got.running_mean[0], 0.4);
}

template <class T>
std::vector<std::vector<T>> train_backward(const std::vector<T>& x, const std::vector<T>& dy,
                                           const std::vector<T>& gamma, const std::vector<T>& beta,
                                           std::int64_t rows) {
  const auto saved = train<T>(x, gamma, beta, rows);
  const auto cols = static_cast<std::int64_t>(gamma.size());
  std::vector<T> dx(x.size()), dgamma(gamma.size()), dbeta(gamma.size());
  std::vector<std::byte> scratch(static_cast<std::size_t>(norm_train_scratch_bytes(rows, cols)));
  cpu::norm_train_backward<T>(
      {dy.data(), rows, cols}, {{x.data(), rows, cols}, span(saved.mean), span(saved.inv)},
      span(gamma), span(scratch), {{dx.data(), rows, cols}, span(dgamma), span(dbeta)});
  return {dx, dgamma, dbeta};
}

TEST(TrainedNorm, BackwardIsTheDerivative) {
  const std::int64_t rows = 9;
  const Vec x = random_vec(18, 1), gamma = random_vec(2, 2), beta = random_vec(2, 3),
            dy = random_vec(18, 4);
  const auto got = train_backward(x, dy, gamma, beta, rows);
  // Third derivatives of 1/sqrt(var) with var near 0.3, times the step 1e-5 squared: below 1e-7.
  EXPECT_LT(test::gradient_error(
                [&](const Vec& v) { return train<double>(v, gamma, beta, rows).y; }, x, dy, got[0]),
            1e-7);
  EXPECT_LT(test::gradient_error([&](const Vec& v) { return train<double>(x, v, beta, rows).y; },
                                 gamma, dy, got[1]),
            1e-8);
  EXPECT_LT(test::gradient_error([&](const Vec& v) { return train<double>(x, gamma, v, rows).y; },
                                 beta, dy, got[2]),
            1e-8);
}

TEST(TrainedNorm, FloatFollowsDoubleAndDoesNotCancel) {
  // A mean of 1000 with a deviation of 1: E[x^2] - mean^2 would lose all digits of the variance.
  const Vec x = random_vec(600, 1, 999, 1001), dy = random_vec(600, 2);
  const auto want = train<double>(x, {1}, {0}, 600);
  const std::vector<float> x_float(x.begin(), x.end()), dy_float(dy.begin(), dy.end());
  const auto got = train<float>(x_float, {1}, {0}, 600);
  // x itself is rounded to 6e-5 / 2, divided by the deviation of 0.58; the mean as much again.
  EXPECT_TRUE(all_close(got.y, want.y, 2.5e-4, 0));
  EXPECT_TRUE(all_close(train_backward(x_float, dy_float, {1.F}, {0.F}, 600)[0],
                        train_backward(x, dy, {1}, {0}, 600)[0], 1e-3, 0));
}

TEST(TrainedNorm, NoRowsChangeNothing) {
  const auto got = train<double>({}, {1, 2}, {3, 4}, 0);
  EXPECT_EQ(got.running_mean, Vec(2, 0.0));
  EXPECT_EQ(got.running_var, Vec(2, 1.0));
  const auto gradients = train_backward<double>({}, {}, {1, 2}, {3, 4}, 0);
  EXPECT_EQ(gradients[1], Vec(2, 0.0));
  EXPECT_EQ(gradients[2], Vec(2, 0.0));
}

TEST(TrainedNorm, BitsDoNotDependOnTheThreadCount) {
  const Vec draw = random_vec(3000, 1);
  const std::vector<float> x(draw.begin(), draw.end());
  const int before = num_threads();
  set_num_threads(1);
  const auto one = train<float>(x, {1, 2, 3}, {0, 0, 0}, 1000);
  set_num_threads(3);
  const auto three = train<float>(x, {1, 2, 3}, {0, 0, 0}, 1000);
  set_num_threads(before);
  EXPECT_EQ(one.y, three.y);
  EXPECT_EQ(one.running_var, three.running_var);
}

TEST(Norm, WrongSizesSayWhatWasWanted) {
  using ::testing::HasSubstr;
  Vec two(2), three(3), x(6);
  EXPECT_THAT(test::message_of([&] { (void)fold(two, two, two, three); }),
              HasSubstr("norm_fold_forward: var has 3 elements, wanted 2"));
  EXPECT_THAT(test::message_of([&] { (void)gamma_gradient(three, two, two, two); }),
              HasSubstr("norm_fold_backward: dscale has 3 elements, wanted 2"));
  EXPECT_THAT(test::message_of([&] { (void)gamma_gradient({}, {}, two, two); }),
              HasSubstr("norm_fold_backward: neither dscale nor dshift of 2 channels"));
  EXPECT_THAT(test::message_of([&] {
                cpu::norm_train_forward<double>({x.data(), 3, 2}, {span(two), span(three)}, {},
                                                {span(two), span(two), span(two), span(two)},
                                                {x.data(), 3, 2}, kEps, 0.1);
              }),
              HasSubstr("norm_train_forward: beta has 3 elements, wanted 2"));
  EXPECT_THAT(test::message_of([&] {
                cpu::norm_train_forward<double>({x.data(), 3, 2}, {span(two), span(two)}, {},
                                                {span(two), span(two), span(two), span(two)},
                                                {x.data(), 3, 2}, kEps, 0.1);
              }),
              HasSubstr("scratch has 0 bytes, 64 or more wanted"));
}

}  // namespace
}  // namespace ktrain
