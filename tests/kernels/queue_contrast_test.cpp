#include "kernels/queue_contrast.h"

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
using Ints = std::vector<std::int32_t>;

template <class T>
struct Case {
  std::vector<T> queries, positive, queue;
  Ints indices, marks;
  std::int64_t channels = 1;

  [[nodiscard]] std::int64_t rows() const { return std::ssize(marks); }
  [[nodiscard]] std::int64_t negatives() const { return std::ssize(indices) / rows(); }
  [[nodiscard]] ContrastInputs<T> view() const {
    const std::int64_t entries = std::ssize(queue) / channels;
    return {{queries.data(), rows(), channels},
            {positive.data(), positive.empty() ? 0 : rows(), channels},
            {queue.data(), entries, channels},
            {indices.data(), rows(), negatives()},
            {marks.data(), rows()}};
  }
};

template <class T>
struct Result {
  std::vector<T> slope, row_loss, count = {T(NAN)}, loss = {T(NAN)};
};

template <class T>
Result<T> forward(const Case<T>& c, const ContrastOptions& options) {
  Result<T> y;
  y.slope.assign(static_cast<std::size_t>(c.rows() * (c.negatives() + 1)), T(NAN));
  y.row_loss.assign(static_cast<std::size_t>(c.rows()), T(NAN));
  cpu::queue_contrast_forward<T>(c.view(), {y.slope.data(), c.rows(), c.negatives() + 1},
                                 {y.row_loss.data(), c.rows()}, {y.count.data(), 1},
                                 {y.loss.data(), 1}, options);
  return y;
}

template <class T>
std::vector<T> backward(const Case<T>& c, const Result<T>& y, T dloss,
                        const ContrastOptions& options) {
  std::vector<T> dq(c.queries.size(), T(NAN));
  cpu::queue_contrast_backward<T>(c.view(), {y.slope.data(), c.rows(), c.negatives() + 1},
                                  {y.count.data(), 1}, {&dloss, 1},
                                  {dq.data(), c.rows(), c.channels}, options);
  return dq;
}

// Six rows: all negatives, some, none, and one that does not count.
Case<double> some_case(std::int64_t channels) {
  const auto n = static_cast<std::size_t>(channels);
  return {random_vec(6 * n, 1), random_vec(6 * n, 2),
          random_vec(9 * n, 3), {0, 1, 2, 8, 7, -1, -1, -1, -1, 3, 4, 5, 2, -1, -1, 6, 0, 6},
          {4, 0, 9, -1, 1, 2},  channels};
}

class QueueContrast : public testing::TestWithParam<ContrastForm> {
 protected:
  [[nodiscard]] ContrastOptions options() const { return {GetParam(), 0.4, 1.0}; }
};
INSTANTIATE_TEST_SUITE_P(Forms, QueueContrast,
                         testing::Values(ContrastForm::kInfoNce, ContrastForm::kRepel));

TEST_P(QueueContrast, GradientMatchesCentralDifferences) {
  for (const std::int64_t channels : {1, 5}) {
    const Case<double> c = some_case(channels);
    const Result<double> y = forward(c, options());
    EXPECT_EQ(y.count[0], 4);
    const Vec dloss = {-2.3};
    const Vec dq = backward(c, y, dloss[0], options());
    const auto loss = [&](const Vec& q) {
      Case<double> moved = c;
      moved.queries = q;
      return forward(moved, options()).loss;
    };
    // Third derivatives of order (1/0.4)^3: 1e-9 at a step of 1e-5.
    EXPECT_LT(test::gradient_error(loss, c.queries, dloss, dq), 1e-8);
  }
}

TEST_P(QueueContrast, RowsWithoutNegativesAndMarkedRowsAddNothing) {
  const Case<double> c = some_case(3);
  const Result<double> y = forward(c, options());
  const Vec dq = backward(c, y, 1.0, options());
  for (const std::size_t r : {2u, 3u}) {
    EXPECT_EQ(y.row_loss[r], 0);
    for (std::size_t d = 0; d < 3; ++d) EXPECT_EQ(dq[3 * r + d], 0);
  }
  double total = 0;
  for (const double row : y.row_loss) total += row;
  EXPECT_NEAR(y.loss[0], total / 4, 1e-15);
}

TEST_P(QueueContrast, AnEmptyQueueIsWorthNothing) {
  Case<double> c = some_case(2);
  c.indices.assign(c.indices.size(), -1);
  const Result<double> y = forward(c, options());
  EXPECT_EQ(y.loss[0], 0);
  EXPECT_EQ(y.count[0], 1);
  EXPECT_THAT(backward(c, y, 1.0, options()), testing::Each(0));
}

TEST_P(QueueContrast, FloatAgreesWithDouble) {
  const Case<double> c = some_case(16);
  const Case<float> f{{c.queries.begin(), c.queries.end()},
                      {c.positive.begin(), c.positive.end()},
                      {c.queue.begin(), c.queue.end()},
                      c.indices,
                      c.marks,
                      c.channels};
  const Result<double> y = forward(c, options());
  const Result<float> got = forward(f, options());
  // Logits up to 15, rounded three times on the way: 15 * 3 * 6e-8.
  EXPECT_TRUE(test::all_close(got.row_loss, y.row_loss, 3e-6, 1e-6));
  EXPECT_TRUE(test::all_close(backward(f, got, 1.0f, options()), backward(c, y, 1.0, options()),
                              3e-6, 1e-5));
}

TEST(QueueContrastValues, EqualKeysGiveTheLogarithmOfTheirNumber) {
  const Case<double> c{{1, 0}, {1, 0}, {1, 0, 1, 0, 1, 0}, {0, 1, 2}, {0}, 2};
  EXPECT_NEAR(forward(c, {}).loss[0], std::log(4.0), 1e-15);
  EXPECT_NEAR(forward(c, {ContrastForm::kInfoNce, 0.07, 3.0}).loss[0], 3 * std::log(4.0), 1e-14);
  // -log(1 - sigmoid(1 / 0.5)) = log(1 + e^2)
  EXPECT_NEAR(forward(c, {ContrastForm::kRepel, 0.5, 1.0}).loss[0], std::log1p(std::exp(2)), 1e-15);
}

TEST(QueueContrastValues, LargeLogitsStayFinite) {
  const Case<float> c{{1e4f}, {-1e4f}, {1e4f}, {0}, {0}, 1};
  EXPECT_FLOAT_EQ(forward(c, {ContrastForm::kInfoNce, 1.0, 1.0}).loss[0], 2e8f);
  EXPECT_FLOAT_EQ(forward(c, {ContrastForm::kRepel, 1.0, 1.0}).loss[0], 1e8f);
  Case<float> nan = c;
  nan.queries[0] = NAN;
  EXPECT_TRUE(std::isnan(forward(nan, {}).loss[0]));
}

// T16: A query u with its own key v among the negatives of the second form: f of its k negatives
// are v. InfoNCE pulls s = <u, v> / tau by -(1 - P), the queue pushes by 0.1 f sigmoid(s): the row
// stands still along v where 1 - P = 0.1 f sigmoid(s), and is pushed away from its own pair beyond
// that.
TEST(QueueContrastValues, AQueueWithItsOwnKeyCancelsThePullOfTheContrast) {
  constexpr std::size_t kNegatives = 8, kOwn = 2;
  constexpr double kTau = 0.07, kShare = double{kOwn} / kNegatives;
  // Channel 0 is v. The other negatives stand on channel 1, where u has nothing.
  Case<double> dirty{{0.8, 0}, {1, 0}, {1, 0, 0, 1}, {}, {0}, 2};
  for (std::size_t k = 0; k < kNegatives; ++k) dirty.indices.push_back(k < kOwn ? 0 : 1);
  const ContrastOptions repel{ContrastForm::kRepel, kTau, 0.1};
  const Vec pushed = backward(dirty, forward(dirty, repel), 1.0, repel);
  const double s = 0.8 / kTau, push = 0.1 * kShare / (1 + std::exp(-s));
  EXPECT_NEAR(pushed[0], push / kTau, 1e-14);
  // The pull of InfoNCE against one negative whose logit makes 1 - P equal to that push.
  const double other = (s + std::log(push / (1 - push))) * kTau;
  const Case<double> clean{{0.8, other}, {1, 0}, {0, 1}, {0}, {0}, 2};
  const ContrastOptions pull{ContrastForm::kInfoNce, kTau, 1.0};
  const Vec pulled = backward(clean, forward(clean, pull), 1.0, pull);
  EXPECT_NEAR(pulled[0], -push / kTau, 1e-12);
  EXPECT_NEAR(pulled[0] + pushed[0], 0, 1e-12);
  // Without its own key, f = 0, nothing pushes along v.
  Case<double> filtered = dirty;
  filtered.indices.assign(kNegatives, 1);
  EXPECT_EQ(backward(filtered, forward(filtered, repel), 1.0, repel)[0], 0);
}

TEST(QueueContrastErrors, RefuseWhatDoesNotFit) {
  Case<double> c = some_case(2);
  EXPECT_THAT(
      [&] {
        (void)forward(c, {ContrastForm::kInfoNce, 0.0, 1.0});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("temperature is 0")));
  c.indices[0] = 9;
  EXPECT_THAT([&] { (void)forward(c, {}); }, testing::ThrowsMessage<Error>(testing::HasSubstr(
                                                 "row 0 has the negative 9 of a queue of 9")));
  c = some_case(2);
  c.positive.pop_back();
  c.positive.clear();
  EXPECT_THAT([&] { (void)forward(c, {}); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("positive 0x2")));
}

}  // namespace
}  // namespace ktrain
