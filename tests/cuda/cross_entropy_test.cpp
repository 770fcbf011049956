// The CUDA loss and gradient against the CPU's in double.
#include "kernels/cross_entropy.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;
using Labels = std::vector<std::int32_t>;

struct Case {
  std::int64_t rows, cols;
};

template <class T>
struct Result {
  std::vector<T> p, row_loss, loss, dx;
};

constexpr double kDloss = -1.3;

Result<float> on_device(const Floats& x, const Labels& labels, double avg_factor, Case c,
                        bool in_place = false) {
  const Stream stream;
  CudaStream const s = stream.get();
  const DeviceView<float> dx_in(s, x), p_own(c.rows * c.cols), dx_own(c.rows * c.cols),
      row_loss(c.rows), loss(1), avg(s, {static_cast<float>(avg_factor)}),
      dloss(s, {static_cast<float>(kDloss)});
  const DeviceView<std::int32_t> dlabels(s, labels);
  const DeviceView<float>& p = in_place ? dx_in : p_own;
  const DeviceView<float>& dx = in_place ? dx_in : dx_own;
  Result<float> r;
  cuda::cross_entropy_forward(s, {dx_in.data(), c.rows, c.cols}, dlabels.in(), avg.in(),
                              {p.data(), c.rows, c.cols}, row_loss.span(), loss.span());
  r.p = p.to_host(s);
  cuda::cross_entropy_backward(s, {p.data(), c.rows, c.cols}, dlabels.in(), avg.in(), dloss.in(),
                               {dx.data(), c.rows, c.cols});
  r.row_loss = row_loss.to_host(s);
  r.loss = loss.to_host(s);
  r.dx = dx.to_host(s);
  return r;
}

Result<double> on_cpu(const Floats& x, const Labels& labels, double avg_factor, Case c) {
  const test::Vec wide = test::cast<double>(x);
  const double avg = static_cast<float>(avg_factor), dloss = static_cast<float>(kDloss);
  Result<double> r{test::Vec(x.size()), test::Vec(labels.size()), test::Vec(1),
                   test::Vec(x.size())};
  cpu::cross_entropy_forward(
      Rows<const double>{wide.data(), c.rows, c.cols}, {labels.data(), c.rows},
      Span<const double>{&avg, 1}, Rows<double>{r.p.data(), c.rows, c.cols},
      Span<double>{r.row_loss.data(), c.rows}, Span<double>{r.loss.data(), 1});
  cpu::cross_entropy_backward(Rows<const double>{r.p.data(), c.rows, c.cols},
                              {labels.data(), c.rows}, Span<const double>{&avg, 1},
                              Span<const double>{&dloss, 1},
                              Rows<double>{r.dx.data(), c.rows, c.cols});
  return r;
}

Labels some_labels(Case c) {
  Labels labels;
  for (std::int64_t r = 0; r < c.rows; ++r)
    labels.push_back(r % 3 == 1 || c.cols == 0 ? -1 : static_cast<std::int32_t>(r * 7 % c.cols));
  return labels;
}

class CrossEntropyCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, CrossEntropyCuda,
                         testing::Values(Case{0, 2}, Case{3, 0}, Case{1, 1}, Case{1, 2},
                                         Case{31, 2}, Case{33, 3}, Case{64, 8}, Case{65, 9},
                                         Case{5, 31}, Case{9, 33}, Case{7, 81}, Case{3, 1000},
                                         Case{test::large(20011), 2}));

TEST_P(CrossEntropyCuda, AgreesWithDouble) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Floats x = test::random_floats(c.rows * c.cols, 1, -4, 4);
  const Labels labels = some_labels(c);
  for (const double avg_factor : {0.25, 7.0}) {  // below 1 it counts as 1
    const Result<float> got = on_device(x, labels, avg_factor, c);
    const Result<double> want = on_cpu(x, labels, avg_factor, c);
    // An argument of exp below 8 is known to 2^-22, the function to 2 units of 2^-24, a sum of up
    // to 32 neighbours and their tree to 10 of them; the quotient adds one more.
    EXPECT_TRUE(test::all_close(got.p, want.p, 0, 1.5e-6));
    // log of a sum of that quality, minus a number below 8.
    EXPECT_TRUE(test::all_close(got.row_loss, want.row_loss, 3e-6, 3e-7));
    // The rows' losses, below 16, are added in double.
    EXPECT_TRUE(test::all_close(got.loss, want.loss, 3e-6 * static_cast<double>(c.rows), 1e-7));
    // dloss (p - 1): an absolute error of p's size times 1.3.
    EXPECT_TRUE(test::all_close(got.dx, want.dx, 2e-6, 1e-6));
  }
}

TEST_P(CrossEntropyCuda, IsTheSameToTheBitAgainAndInPlace) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Floats x = test::random_floats(c.rows * c.cols, 1, -4, 4);
  const Labels labels = some_labels(c);
  const Result<float> first = on_device(x, labels, 3, c);
  for (const bool in_place : {false, true}) {
    const Result<float> again = on_device(x, labels, 3, c, in_place);
    EXPECT_TRUE(test::same_bits(again.p, first.p));
    EXPECT_TRUE(test::same_bits(again.row_loss, first.row_loss));
    EXPECT_TRUE(test::same_bits(again.loss, first.loss));
    EXPECT_TRUE(test::same_bits(again.dx, first.dx));
  }
}

TEST(CrossEntropyCudaValues, LargeLogitsStayFiniteAndBrokenOnesShow) {
  KT_NEEDS_GPU();
  EXPECT_EQ(on_device({1e4f, -1e4f}, {1}, 1, {1, 2}).loss[0], 2e4f);
  EXPECT_TRUE(std::isnan(on_device({NAN, 1.0f}, {1}, 1, {1, 2}).loss[0]));
  EXPECT_TRUE(std::isnan(on_device({0.0f, 1.0f}, {1}, NAN, {1, 2}).loss[0]));
}

TEST(CrossEntropyCudaValues, AWrongLabelMakesItsRowAndTheLossNan) {
  KT_NEEDS_GPU();
  for (const std::int32_t wrong : {2, 1000000, -2}) {
    const Result<float> r = on_device({0, 1, 2, 3}, {1, wrong}, 1, {2, 2});
    EXPECT_TRUE(std::isnan(r.loss[0])) << wrong;
    EXPECT_FALSE(std::isnan(r.row_loss[0]));
    EXPECT_TRUE(std::isnan(r.row_loss[1]));
    EXPECT_FALSE(std::isnan(r.dx[0]) || std::isnan(r.dx[1]));
    EXPECT_TRUE(std::isnan(r.dx[2]) && std::isnan(r.dx[3]));
  }
}

TEST(CrossEntropyCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(6), one(1);
  const DeviceView<std::int32_t> labels(2);
  const std::string message = test::message_of([&] {
    cuda::cross_entropy_backward(stream.get(), {x.data(), 3, 2}, labels.in(), one.in(), one.in(),
                                 {x.data(), 3, 2});
  });
  EXPECT_EQ(message.rfind("cross_entropy_backward: 2 labels for 3 rows", 0), 0u) << message;
}

}  // namespace
}  // namespace ktrain
