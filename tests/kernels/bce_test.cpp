#include "kernels/bce.h"

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

using test::span;

template <class T>
T loss_of(const std::vector<T>& x, const std::vector<std::int32_t>& labels, T factor) {
  const std::vector<T> factors = {factor};
  std::vector<T> loss = {T{9}};
  cpu::bce_forward(span(x), span(labels), span(factors), span(loss), {});
  return loss[0];
}

template <class T>
std::vector<T> gradient_of(const std::vector<T>& x, const std::vector<std::int32_t>& labels,
                           T factor, T dloss) {
  const std::vector<T> factors = {factor}, dlosses = {dloss};
  std::vector<T> dx(x.size(), T{9});
  cpu::bce_backward(span(x), span(labels), span(factors), span(dlosses), span(dx));
  return dx;
}

TEST(Bce, AgreesWithPyTorch) {
  const test::Reference reference("bce.txt");
  const auto labels = reference.get<std::int32_t>("labels");
  // 24 terms, each rounded twice in double; in float the logits are exact and the sum is double.
  EXPECT_NEAR(loss_of(reference.get("x"), labels, 7.0), reference.get("loss").at(0), 1e-13);
  EXPECT_NEAR(loss_of(reference.get<float>("x"), labels, 7.0f), reference.get("loss").at(0),
              6e-8 * reference.get("loss").at(0));
  EXPECT_TRUE(test::all_close(gradient_of(reference.get("x"), labels, 7.0, 3.0),
                              reference.get("dx"), 1e-15, 1e-14));
  // Absolute: a sigmoid near 1 minus 1 has lost its digits, by one rounding of 3 / 7.
  EXPECT_TRUE(test::all_close(gradient_of(reference.get<float>("x"), labels, 7.0f, 3.0f),
                              reference.get("dx"), 6e-8, 3e-7));
}

TEST(Bce, GradientIsTheSlope) {
  const auto x = test::random_vec(33, 1, -4, 4);
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 33; ++i) labels.push_back(i % 3 - 1);
  const test::Vec dy = {1.7};
  const auto forward = [&](const test::Vec& v) { return test::Vec{loss_of(v, labels, 5.0)}; };
  // Central differences of step 1e-5: truncation 1e-10, rounding 1e-16 / 1e-5.
  EXPECT_LT(test::gradient_error(forward, x, dy, gradient_of(x, labels, 5.0, 1.7)), 1e-8);
}

TEST(Bce, LargeLogitsStayFiniteAndNanShows) {
  EXPECT_EQ(loss_of<float>({1e30f, -1e30f}, {1, 0}, 1), 0.0f);
  EXPECT_EQ(loss_of<float>({1e30f}, {0}, 1), 1e30f);
  EXPECT_EQ(gradient_of<float>({-1e30f, 1e30f}, {1, 0}, 1, 1), (std::vector<float>{-1, 1}));
  EXPECT_TRUE(std::isnan(loss_of<float>({NAN, 0}, {1, 0}, 1)));
  EXPECT_EQ(loss_of<float>({NAN}, {-1}, 1), 0.0f);
}

TEST(Bce, FactorIsAtLeastOneAndEmptyIsZero) {
  EXPECT_DOUBLE_EQ(loss_of<double>({0}, {1}, 0.25), std::log(2.0));
  EXPECT_EQ(loss_of<double>({}, {}, 0), 0.0);
  EXPECT_TRUE(gradient_of<double>({}, {}, 0, 1).empty());
}

TEST(Bce, WrongLabelsAndSizesAreErrors) {
  try {
    (void)loss_of<float>({1, 2}, {0, 2}, 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("bce_forward: label 2 at 1"));
  }
  EXPECT_THROW((void)loss_of<float>({1, 2}, {0}, 1), Error);
}

}  // namespace
}  // namespace ktrain
