#include "kernels/elementwise.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"
#include "tests/support/span.h"

namespace ktrain {
namespace {

using test::mutable_span;
using test::random_vec;
using test::span;
using test::Vec;

// One element, around a vector register, around a chunk of 32768, several chunks.
class Elementwise : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Elementwise,
                         testing::Values(0, 1, 15, 16, 17, 33, 32768, 32769, 100001));

TEST_P(Elementwise, FollowsItsFormulas) {
  const std::size_t n = GetParam();
  const Vec a = random_vec(n, 1), b = random_vec(n, 2);
  Vec y(n, 7.0), want(n);
  const auto expect = [&](const char* op, auto&& formula) {
    for (std::size_t i = 0; i < n; ++i) want[i] = formula(i);
    // The same operations in the same order: equal to the last bit.
    EXPECT_TRUE(test::all_close(y, want, 0, 0)) << op;
  };
  cpu::add(span(a), span(b), mutable_span(y));
  expect("add", [&](std::size_t i) { return a[i] + b[i]; });
  cpu::multiply(span(a), span(b), mutable_span(y));
  expect("multiply", [&](std::size_t i) { return a[i] * b[i]; });
  cpu::scale(span(a), mutable_span(y), 2.5);
  expect("scale", [&](std::size_t i) { return a[i] * 2.5; });
  const Vec factor = {-0.75};
  cpu::scale_by(span(a), span(factor), mutable_span(y));
  expect("scale_by", [&](std::size_t i) { return a[i] * -0.75; });
  cpu::copy(span(a), mutable_span(y));
  cpu::accumulate(span(b), mutable_span(y));
  expect("accumulate", [&](std::size_t i) { return a[i] + b[i]; });
  cpu::copy(span(a), mutable_span(y));
  cpu::accumulate_scaled(span(b), mutable_span(y), -3.0);
  expect("accumulate_scaled", [&](std::size_t i) { return a[i] + -3.0 * b[i]; });
  cpu::copy(span(a), mutable_span(y));
  cpu::move_toward(span(b), mutable_span(y), 0.25);
  expect("move_toward", [&](std::size_t i) { return b[i] + 0.25 * (a[i] - b[i]); });
  cpu::copy(span(a), mutable_span(y));
  cpu::blend(span(b), mutable_span(y), 0.75);
  expect("blend", [&](std::size_t i) { return 0.75 * a[i] + 0.25 * b[i]; });
  cpu::copy(span(a), mutable_span(y));
  const Vec factors = {0.75, 0.5}, taken = {0, 2};
  cpu::blend_by(span(b), mutable_span(y), span(factors));
  expect("blend_by", [&](std::size_t i) { return 0.75 * a[i] + 0.5 * b[i]; });
  std::fill(y.begin(), y.end(), std::numeric_limits<double>::quiet_NaN());
  cpu::blend_by(span(b), mutable_span(y), span(taken));
  expect("blend_by", [&](std::size_t i) { return b[i]; });
  cpu::relu_forward(span(a), mutable_span(y));
  expect("relu_forward", [&](std::size_t i) { return a[i] > 0 ? a[i] : 0.0; });
  Vec dx(n);
  cpu::relu_backward(span(y), span(b), mutable_span(dx));
  y = dx;
  expect("relu_backward", [&](std::size_t i) { return a[i] > 0 ? b[i] : 0.0; });
  cpu::fill(mutable_span(y), 0.125);
  expect("fill", [&](std::size_t) { return 0.125; });
}

TEST_P(Elementwise, WeightedSumMayWriteIntoATerm) {
  const std::size_t n = GetParam();
  const Vec a = random_vec(n, 1), b = random_vec(n, 2), c = random_vec(n, 3);
  const Vec weights = {1.0, -0.5, 0.05};
  Vec y = b, want(n);
  Terms<double> terms;
  terms.count = 3;
  terms.terms = {span(a), span(y), span(c)};
  cpu::weighted_sum(terms, span(weights), mutable_span(y));
  for (std::size_t i = 0; i < n; ++i) want[i] = a[i] * 1.0 + b[i] * -0.5 + c[i] * 0.05;
  EXPECT_TRUE(test::all_close(y, want, 0, 0));
}

TEST(ElementwiseValues, NanStaysNanThroughRelu) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {NAN, inf, -inf, -0.0f, 3};
  std::vector<float> y(5);
  cpu::relu_forward(span(x), mutable_span(y));
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], inf);
  EXPECT_EQ(y[2], 0);
  EXPECT_EQ(y[3], 0);
  EXPECT_EQ(y[4], 3);
}

TEST(ElementwiseValues, NoTermsGiveZero) {
  std::vector<float> y(3, 5);
  cpu::weighted_sum(Terms<float>{}, {nullptr, 0}, mutable_span(y));
  EXPECT_THAT(y, testing::Each(0.0f));
}

TEST(ElementwiseErrors, NameTheOpAndTheSizes) {
  const std::vector<float> x(3);
  std::vector<float> y(2);
  const auto message = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message([&] { cpu::copy(span(x), mutable_span(y)); }),
              testing::HasSubstr("copy: an input has 3 elements, the output 2"));
  EXPECT_THAT(message([&] { cpu::scale_by(span(x), span(x), mutable_span(y)); }),
              testing::HasSubstr("scale_by: the factor has 3 elements, wanted 1"));
  EXPECT_THAT(message([&] { cpu::weighted_sum(Terms<float>{}, span(x), mutable_span(y)); }),
              testing::HasSubstr("weighted_sum: 3 weights for 0 terms"));
}

}  // namespace
}  // namespace ktrain
