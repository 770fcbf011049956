#include "kernels/l2_normalize.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/boxes.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

using test::rows;
using test::span;

template <class T>
std::vector<T> normalized(const std::vector<T>& x, std::int64_t cols,
                          std::vector<T>* norms = nullptr) {
  std::vector<T> y(x.size(), T(NAN)), norm(x.size() / static_cast<std::size_t>(cols), T(NAN));
  cpu::l2_normalize_forward(rows(x, cols), rows(y, cols), span(norm));
  if (norms != nullptr) *norms = norm;
  return y;
}

TEST(L2Normalize, RowsGetUnitLengthAndKeepTheirDirection) {
  EXPECT_EQ(normalized<double>({3, 4, 0, -2}, 2), (std::vector<double>{0.6, 0.8, 0, -1}));
  EXPECT_EQ(normalized<float>({0, 0}, 2), (std::vector<float>{0, 0})) << "no direction";
  EXPECT_TRUE(std::isnan(normalized<float>({NAN, 1}, 2)[1]));
  EXPECT_FLOAT_EQ(normalized<float>({3e30f, 4e30f}, 2)[0], 0.6f) << "squares beyond float";
}

TEST(L2Normalize, GradientIsTheSlope) {
  const auto x = test::random_vec(15, 1), dy = test::random_vec(15, 2);
  std::vector<double> norm, dx(15, NAN);
  const auto y = normalized(x, 5, &norm);
  const auto& lengths = norm;
  cpu::l2_normalize_backward(rows(y, 5), span(lengths), rows(dy, 5), rows(dx, 5));
  const auto forward = [](const test::Vec& v) { return normalized(v, 5); };
  // Central differences of step 1e-5: truncation 1e-10, rounding 1e-16 / 1e-5.
  EXPECT_LT(test::gradient_error(forward, x, dy, dx), 1e-8);
}

TEST(L2Normalize, AZeroRowGetsNoGradient) {
  const std::vector<float> y = {0, 0}, norm = {0}, dy = {1, 2};
  std::vector<float> dx = {9, 9};
  cpu::l2_normalize_backward(rows(y, 2), span(norm), rows(dy, 2), rows(dx, 2));
  EXPECT_EQ(dx, (std::vector<float>{0, 0}));
}

TEST(ScaleRows, EachRowHasItsFactor) {
  const std::vector<double> x = {1, 2, 3, 4}, factor = {0, -2};
  std::vector<double> y(4);
  cpu::scale_rows(rows(x, 2), span(factor), rows(y, 2));
  EXPECT_EQ(y, (std::vector<double>{0, 0, -6, -8}));
  const std::vector<double> short_factor = {1};
  EXPECT_THROW(cpu::scale_rows(rows(x, 2), span(short_factor), rows(y, 2)), Error);
}

}  // namespace
}  // namespace ktrain
