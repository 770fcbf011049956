#include "kernels/box_loss.h"

#include <cmath>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"
#include "tests/support/reference.h"

namespace ktrain {
namespace {

using test::rows;
using test::span;

template <class T>
struct Case {
  std::vector<T> x, target;
  std::vector<std::int32_t> slots;
  std::int64_t cols = 4;
  double beta = 0;
  T factor = 1;

  [[nodiscard]] T loss() const {
    const std::vector<T> factors = {factor};
    std::vector<T> out = {T{9}};
    cpu::box_loss_forward(rows(x, cols), rows(target, 4), span(slots), span(factors), span(out), {},
                          beta);
    return out[0];
  }
  [[nodiscard]] std::vector<T> gradient(T dloss) const {
    const std::vector<T> factors = {factor}, dlosses = {dloss};
    std::vector<T> dx(x.size(), T{9});
    cpu::box_loss_backward(rows(x, cols), rows(target, 4), span(slots), span(factors),
                           span(dlosses), rows(dx, cols), beta);
    return dx;
  }
};

template <class T>
void compare_with_pytorch(double relative) {
  const test::Reference reference("box_loss.txt");
  for (const auto& [name, beta] : {std::pair<std::string, double>{"l1", 0}, {"smooth", 0.75}}) {
    const Case<T> c{reference.get<T>("x"),
                    reference.get<T>("target"),
                    reference.get<std::int32_t>("slots"),
                    12,
                    beta,
                    T{5}};
    EXPECT_TRUE(
        test::all_close(std::vector<T>{c.loss()}, reference.get(name + "_loss"), 0, relative));
    EXPECT_TRUE(test::all_close(c.gradient(T{2}), reference.get(name + "_dx"), 0, relative));
  }
}

// Inputs are exact; a few roundings of the type.
TEST(BoxLoss, DoubleAgreesWithPyTorch) { compare_with_pytorch<double>(1e-15); }
TEST(BoxLoss, FloatAgreesWithPyTorch) { compare_with_pytorch<float>(2.4e-7); }

TEST(BoxLoss, GradientIsTheSlope) {
  for (const double beta : {0.0, 0.5}) {
    Case<double> c{
        test::random_vec(5 * 8, 1), test::random_vec(5 * 4, 2), {0, 1, -1, 1, 0}, 8, beta, 3};
    const auto forward = [&](const test::Vec& v) {
      Case<double> moved = c;
      moved.x = v;
      return test::Vec{moved.loss()};
    };
    // No difference is within a step of a kink for these seeds; piecewise linear or quadratic, so
    // only rounding remains: 1e-16 / 1e-5.
    EXPECT_LT(test::gradient_error(forward, c.x, {1.3}, c.gradient(1.3)), 1e-9);
  }
}

TEST(BoxLoss, NanShowsWhereItCounts) {
  Case<float> c{{NAN, 0, 0, 0}, {0, 0, 0, 0}, {0}};
  EXPECT_TRUE(std::isnan(c.loss()));
  EXPECT_TRUE(std::isnan(c.gradient(1)[0]));
  c.slots = {-1};
  EXPECT_EQ(c.loss(), 0.0f);
  EXPECT_EQ(c.gradient(1)[0], 0.0f);
}

TEST(BoxLoss, EmptyIsZeroAndTheFactorAtLeastOne) {
  EXPECT_EQ((Case<double>{{}, {}, {}}).loss(), 0.0);
  EXPECT_EQ((Case<double>{{1, 1, 1, 1}, {0, 0, 0, 0}, {0}, 4, 0, 0.5}).loss(), 4.0);
}

TEST(BoxLoss, WrongSlotsAndShapesAreErrors) {
  try {
    (void)Case<double>{{1, 1, 1, 1}, {0, 0, 0, 0}, {1}}.loss();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("box_loss_forward: slot 1 in row 0 of 1 boxes"));
  }
  EXPECT_THROW((void)(Case<double>{{1, 1, 1, 1}, {0, 0, 0, 0}, {}}.loss()), Error);
}

}  // namespace
}  // namespace ktrain
