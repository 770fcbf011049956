#include "kernels/gradient_end.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gradient_end.h"
#include "tests/support/message.h"
#include "tests/support/same_bits.h"
#include "tests/support/span.h"

namespace ktrain {
namespace {

template <class T>
class GradientEndOf : public testing::Test {};
using Types = testing::Types<float, double, Bfloat16>;
TYPED_TEST_SUITE(GradientEndOf, Types);

// More elements than one thread takes, and a few.
TYPED_TEST(GradientEndOf, AddsAndThenMasks) {
  using T = TypeParam;
  for (const std::size_t size : {0ul, 5ul, 70001ul}) {
    std::vector<T> dx, add, positive;
    for (std::size_t i = 0; i < size; ++i) {
      const auto at = static_cast<Wide<T>>(i);
      dx.push_back(narrow<T>(std::sin(at)));
      add.push_back(narrow<T>(std::cos(3 * at)));
      positive.push_back(narrow<T>(std::sin(5 * at)));
    }
    test::plant_borders(positive);
    for (const unsigned parts : {0u, 1u, 2u, 3u}) {
      GradientEnd<T> end;
      if (parts & test::kAdd) end.add = test::span(add);
      if (parts & test::kPositive) end.positive = test::span(positive);
      std::vector<T> got = dx;
      cpu::end_gradient(end, test::mutable_span(got));
      EXPECT_TRUE(test::same_bits(got, test::with_end(dx, add, positive, parts))) << parts;
    }
  }
}

// What is below zero, zero of either sign or no number lets nothing through, of infinity neither.
TEST(GradientEnd, LetsThroughWhatIsAboveZeroAlone) {
  const std::vector<float> positive = {1, 0, -0.0f, -1, NAN, 1e-45f};
  std::vector<float> dx(6, INFINITY);
  cpu::end_gradient({{}, test::span(positive)}, test::mutable_span(dx));
  EXPECT_EQ(dx, (std::vector<float>{INFINITY, 0, 0, 0, 0, INFINITY}));
}

TEST(GradientEnd, OfAnotherSizeIsRefused) {
  const std::vector<float> other(3);
  EXPECT_THAT(test::message_of([&] {
                check_end<float>("dense", {test::span(other), {}}, 4);
              }),
              testing::HasSubstr("dense: add has 3 elements, dx 4"));
  EXPECT_THAT(test::message_of([&] {
                check_end<float>("dense", {{}, test::span(other)}, 2);
              }),
              testing::HasSubstr("dense: positive has 3 elements, dx 2"));
}

}  // namespace
}  // namespace ktrain
