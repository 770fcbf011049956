#include "kernels/cross_entropy.h"

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

struct Case {
  std::int64_t rows, cols;
};

template <class T>
struct Result {
  std::vector<T> p, row_loss, loss;
};

template <class T>
Result<T> forward(const std::vector<T>& x, const std::vector<std::int32_t>& labels, T avg_factor,
                  std::int64_t cols) {
  const auto rows = static_cast<std::int64_t>(labels.size());
  Result<T> r{std::vector<T>(x.size()), std::vector<T>(labels.size()), std::vector<T>(1)};
  cpu::cross_entropy_forward(Rows<const T>{x.data(), rows, cols}, {labels.data(), rows},
                             Span<const T>{&avg_factor, 1}, Rows<T>{r.p.data(), rows, cols},
                             Span<T>{r.row_loss.data(), rows}, Span<T>{r.loss.data(), 1});
  return r;
}

std::vector<std::int32_t> some_labels(Case c) {
  std::vector<std::int32_t> labels;
  for (std::int64_t r = 0; r < c.rows; ++r)
    labels.push_back(r % 3 == 1 ? -1 : static_cast<std::int32_t>((r * 7) % c.cols));
  return labels;
}

class CrossEntropy : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, CrossEntropy,
                         testing::Values(Case{1, 1}, Case{1, 2}, Case{2, 81}, Case{33, 5},
                                         Case{257, 3}));

TEST_P(CrossEntropy, GradientAgreesWithDifferences) {
  const Case c = GetParam();
  const Vec x = random_vec(static_cast<std::size_t>(c.rows * c.cols), 1, -4, 4);
  const auto labels = some_labels(c);
  for (const double avg_factor : {0.25, 7.0}) {  // below 1 it counts as 1
    const Result<double> y = forward(x, labels, avg_factor, c.cols);
    const Vec dloss = {-1.3};
    Vec dx(x.size(), NAN);
    cpu::cross_entropy_backward(Rows<const double>{y.p.data(), c.rows, c.cols},
                                {labels.data(), c.rows}, Span<const double>{&avg_factor, 1},
                                Span<const double>{dloss.data(), 1},
                                Rows<double>{dx.data(), c.rows, c.cols});
    const auto loss = [&](const Vec& at) { return forward(at, labels, avg_factor, c.cols).loss; };
    // Central differences at 1e-5: 1e-10 from the third derivative, rounding of a loss below 1500
    // is 2e-13 / 1e-5.
    EXPECT_LT(test::gradient_error(loss, x, dloss, dx), 1e-7);
  }
}

TEST_P(CrossEntropy, RowsThatDoNotCountAddNothing) {
  const Case c = GetParam();
  const Vec x = random_vec(static_cast<std::size_t>(c.rows * c.cols), 2, -4, 4);
  const auto labels = some_labels(c);
  const Result<double> y = forward(x, labels, 4.0, c.cols);
  double total = 0;
  for (std::size_t r = 0; r < labels.size(); ++r) {
    double sum = 0;
    for (std::int64_t k = 0; k < c.cols; ++k)
      sum += y.p[r * static_cast<std::size_t>(c.cols) + static_cast<std::size_t>(k)];
    EXPECT_NEAR(sum, 1.0, 1e-14);
    if (labels[r] < 0) {
      EXPECT_EQ(y.row_loss[r], 0);
      continue;
    }
    const double p =
        y.p[r * static_cast<std::size_t>(c.cols) + static_cast<std::size_t>(labels[r])];
    EXPECT_NEAR(y.row_loss[r], -std::log(p), 1e-13);
    total += y.row_loss[r];
  }
  EXPECT_NEAR(y.loss[0], total / 4.0, 1e-13 * (1 + total));
}

TEST(CrossEntropyValues, LargeLogitsStayFiniteAndNoRowsGiveZero) {
  const Result<float> y = forward<float>({1e4f, -1e4f}, {1}, 1.0f, 2);
  EXPECT_EQ(y.loss[0], 2e4f);
  EXPECT_EQ(forward<float>({}, {}, 0.0f, 2).loss[0], 0.0f);
  EXPECT_TRUE(std::isnan(forward<float>({NAN, 1.0f}, {1}, 1.0f, 2).loss[0]));
}

TEST(CrossEntropyErrors, AWrongLabelIsNamed) {
  try {
    (void)forward<float>({0, 0, 0, 0}, {1, 2}, 1.0f, 2);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::StartsWith("cross_entropy: label 2 in row 1, wanted -1 to 1"));
  }
}

}  // namespace
}  // namespace ktrain
