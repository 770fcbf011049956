#include "kernels/bias_relu.h"

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

using test::random_vec;
using test::Vec;

struct Result {
  Vec g, dbias;
};

Result backward(const Vec& y, const Vec& dy, std::int64_t rows, std::int64_t cols, bool with_bias) {
  Result out{Vec(y.size(), NAN), Vec(static_cast<std::size_t>(with_bias ? cols : 0), NAN)};
  Vec workspace(static_cast<std::size_t>(cpu::bias_relu_backward_workspace(rows, cols)), NAN);
  const Rows<const double> y_rows =
      y.empty() ? Rows<const double>{} : Rows<const double>{y.data(), rows, cols};
  const Rows<double> g_rows = y.empty() ? Rows<double>{} : Rows<double>{out.g.data(), rows, cols};
  cpu::bias_relu_backward<double>(y_rows, {dy.data(), rows, cols},
                                  {workspace.data(), static_cast<std::int64_t>(workspace.size())},
                                  g_rows,
                                  {out.dbias.data(), static_cast<std::int64_t>(out.dbias.size())});
  return out;
}

TEST(BiasReluBackward, MasksAndSums) {
  for (const std::int64_t rows : {1, 255, 256, 257, 1000})
    for (const std::int64_t cols : {1, 3, 16, 33}) {
      const auto size = static_cast<std::size_t>(rows * cols);
      Vec y = random_vec(size, 1);
      y[0] = 0;  // the derivative of ReLU at 0 is 0 here, as in PyTorch
      const Vec dy = random_vec(size, 2);
      Vec want_g(size), want_bias(static_cast<std::size_t>(cols)), want_sum = want_bias;
      for (std::size_t i = 0; i < size; ++i) {
        want_g[i] = y[i] > 0 ? dy[i] : 0;
        want_bias[i % static_cast<std::size_t>(cols)] += want_g[i];
        want_sum[i % static_cast<std::size_t>(cols)] += dy[i];
      }
      const Result masked = backward(y, dy, rows, cols, true);
      EXPECT_EQ(masked.g, want_g);
      // 1000 additions of numbers below 1 in double: 1000 * 1000 * 1.1e-16.
      EXPECT_TRUE(test::all_close(masked.dbias, want_bias, 2e-10, 0));
      EXPECT_EQ(backward(y, dy, rows, cols, false).g, want_g);
      EXPECT_TRUE(test::all_close(backward({}, dy, rows, cols, true).dbias, want_sum, 2e-10, 0));
    }
}

TEST(BiasReluBackward, BiasGradientOfNoRowsIsZero) {
  EXPECT_EQ(backward({}, {}, 0, 3, true).dbias, Vec(3, 0.0));
}

TEST(BiasReluBackward, BitsDoNotDependOnTheThreadCount) {
  const Vec y = random_vec(3000 * 5, 1), dy = random_vec(3000 * 5, 2);
  const int before = num_threads();
  set_num_threads(1);
  const Vec one = backward(y, dy, 3000, 5, true).dbias;
  set_num_threads(3);
  const Vec three = backward(y, dy, 3000, 5, true).dbias;
  set_num_threads(before);
  EXPECT_EQ(one, three);
}

TEST(BiasReluBackward, GMayAliasDy) {
  const Vec y = random_vec(12, 1), dy = random_vec(12, 2);
  Vec in_place = dy;
  cpu::bias_relu_backward<double>({y.data(), 4, 3}, {in_place.data(), 4, 3}, {},
                                  {in_place.data(), 4, 3}, {});
  EXPECT_EQ(in_place, backward(y, dy, 4, 3, false).g);
}

TEST(BiasReluBackward, WrongShapesSayWhatWasFound) {
  Vec data(16);
  const auto message = [&](Rows<const double> y, Rows<double> g, Span<double> dbias) {
    return test::message_of([&] {
      cpu::bias_relu_backward<double>(y, {data.data(), 2, 3}, {}, g, dbias);
    });
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(message({data.data(), 2, 2}, {data.data(), 2, 3}, {}), HasSubstr("y is 2x2, dy 2x3"));
  EXPECT_THAT(message({data.data(), 2, 3}, {}, {}), HasSubstr("given together"));
  EXPECT_THAT(message({}, {}, {data.data(), 2}), HasSubstr("dbias has 2 elements, dy 3 columns"));
  EXPECT_THAT(message({}, {}, {data.data(), 3}), HasSubstr("workspace has 0 elements, wanted 3"));
}

}  // namespace
}  // namespace ktrain
