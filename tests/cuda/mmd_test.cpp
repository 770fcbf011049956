// The CUDA maximum mean discrepancy and its gradient against the CPU's, in double and in float.
#include "kernels/mmd.h"

#include <cmath>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::span;
using Floats = std::vector<float>;
using Marks = std::vector<std::int32_t>;

struct Input {
  Floats x, y;
  Marks x_rows, y_rows;
  std::int64_t cols;
  Floats sigma;  // empty: by the median
};

template <class T>
struct Result {
  std::vector<T> sigma, loss, dx, dy;
};

constexpr float kDloss = -1.3f;

Result<float> on_device(const Input& in, std::int64_t offset = 0) {
  const Stream stream;
  CudaStream const s = stream.get();
  const std::int64_t n = std::ssize(in.x_rows), m = std::ssize(in.y_rows), d = in.cols;
  const DeviceView<float> x(s, in.x, offset), y(s, in.y, offset), fixed(s, in.sigma),
      found(std::ssize(kMmdFactors)), loss(1), dloss(s, {kDloss}), dx(n * d, offset),
      dy(m * d, offset);
  const DeviceView<std::int32_t> x_rows(s, in.x_rows), y_rows(s, in.y_rows);
  const MmdSets<float> sets{{x.data(), n, d}, {y.data(), m, d}, x_rows.in(), y_rows.in()};
  const DeviceView<float>& sigma = in.sigma.empty() ? found : fixed;
  const auto scratch = [&] { return DeviceView<std::byte>(cuda::mmd_scratch_bytes(n + m)); };
  const DeviceView<std::byte> a = scratch(), b = scratch(), c = scratch();
  if (in.sigma.empty()) cuda::mmd_bandwidths(s, sets, found.span(), a.span());
  cuda::mmd_forward(s, sets, sigma.in(), loss.span(), b.span());
  cuda::mmd_backward(s, sets, sigma.in(), dloss.in(), {dx.data(), n, d}, {dy.data(), m, d},
                     c.span());
  return {sigma.to_host(s), loss.to_host(s), dx.to_host(s), dy.to_host(s)};
}

template <class T>
Result<T> on_cpu(const Input& in) {
  const std::vector<T> x = test::cast<T>(in.x), y = test::cast<T>(in.y), dloss = {kDloss};
  const std::int64_t n = std::ssize(in.x_rows), m = std::ssize(in.y_rows), d = in.cols;
  const MmdSets<T> sets{{x.data(), n, d}, {y.data(), m, d}, span(in.x_rows), span(in.y_rows)};
  std::vector<std::byte> scratch(static_cast<std::size_t>(cpu::mmd_scratch_bytes<T>(n + m)));
  Result<T> r{test::cast<T>(in.sigma), std::vector<T>(1), std::vector<T>(x.size()),
              std::vector<T>(y.size())};
  if (in.sigma.empty()) {
    r.sigma.resize(kMmdFactors.size());
    cpu::mmd_bandwidths(sets, span(r.sigma), span(scratch));
  }
  const std::vector<T>& sigma = r.sigma;
  cpu::mmd_forward(sets, span(sigma), span(r.loss), span(scratch));
  cpu::mmd_backward(sets, span(sigma), span(dloss), Rows<T>{r.dx.data(), n, d},
                    Rows<T>{r.dy.data(), m, d}, span(scratch));
  return r;
}

struct Case {
  std::int64_t n, m, cols;
  bool padded, fixed;
};

Input make(const Case& c) {
  Input in{test::random_floats(c.n * c.cols, 1),
           test::random_floats(c.m * c.cols, 2, -1, 2),
           {},
           {},
           c.cols,
           {}};
  for (std::int64_t i = 0; i < c.n; ++i) in.x_rows.push_back(c.padded && i % 3 == 1 ? -1 : 0);
  for (std::int64_t i = 0; i < c.m; ++i) in.y_rows.push_back(c.padded && i % 4 == 2 ? -2 : 5);
  if (c.fixed) in.sigma = {0.5f, 3};
  return in;
}

class MmdCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, MmdCuda,
                         testing::Values(Case{0, 0, 4, false, false}, Case{1, 5, 3, false, false},
                                         Case{2, 2, 1, false, false}, Case{2, 3, 5, false, false},
                                         Case{17, 9, 33, true, false},
                                         Case{16, 31, 129, false, true},
                                         Case{33, 40, 8, true, true}, Case{3, 3, 0, false, true},
                                         Case{test::large(1600) / 16 + 5, 30, 7, true, false}));

TEST_P(MmdCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Input in = make(GetParam());
  const Result<float> got = on_device(in), narrow = on_cpu<float>(in);
  const Result<double> wide = on_cpu<double>(in);
  EXPECT_TRUE(test::same_bits(got.sigma, narrow.sigma)) << "the same distances, the same median";
  EXPECT_TRUE(test::all_close(got.sigma, wide.sigma, 0, 1.3e-7));
  // A difference of means of kernels, which are at most 1, in double; against double the bandwidths
  // differ by 2^-24, which moves exp(-z) by z exp(-z) 2^-23 < 5e-8.
  EXPECT_TRUE(test::all_close(got.loss, narrow.loss, 1e-14, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.loss, wide.loss, 2e-7, 1e-7));
  // Float sums of some hundred terms, all rounded as on the CPU but for the last bits of exp; terms
  // are below 2 / (sigma n), sigma above 0.03 here.
  EXPECT_TRUE(test::all_close(got.dx, narrow.dx, 1e-6, 1e-6));
  EXPECT_TRUE(test::all_close(got.dy, narrow.dy, 1e-6, 1e-6));
  EXPECT_TRUE(test::all_close(got.dx, wide.dx, 5e-6, 5e-6));
  EXPECT_TRUE(test::all_close(got.dy, wide.dy, 5e-6, 5e-6));
}

TEST_P(MmdCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const Input in = make(GetParam());
  const Result<float> first = on_device(in);
  for (const std::int64_t offset : {0, 1}) {
    const Result<float> again = on_device(in, offset);
    EXPECT_TRUE(test::same_bits(again.sigma, first.sigma));
    EXPECT_TRUE(test::same_bits(again.loss, first.loss));
    EXPECT_TRUE(test::same_bits(again.dx, first.dx));
    EXPECT_TRUE(test::same_bits(again.dy, first.dy));
  }
}

TEST(MmdCudaValues, BrokenRowsShowAndThoseThatDoNotCountDoNot) {
  KT_NEEDS_GPU();
  Input in = make({5, 6, 3, false, false});
  in.x[4] = NAN;
  Result<float> r = on_device(in);
  EXPECT_TRUE(std::isnan(r.sigma[0]) && std::isnan(r.loss[0]));
  in.x_rows[1] = -1;
  r = on_device(in);
  EXPECT_FALSE(std::isnan(r.sigma[0]) || std::isnan(r.loss[0]));
  EXPECT_EQ(r.dx[4], 0);
}

TEST(MmdCudaValues, EqualRowsHaveNoBandwidth) {
  KT_NEEDS_GPU();
  const Input in{Floats(8, 1.5f), Floats(8, 1.5f), {0, 0, 0, 0}, {0, 0, 0, 0}, 2, {}};
  const Result<float> got = on_device(in), want = on_cpu<float>(in);
  EXPECT_TRUE(test::same_bits(got.sigma, want.sigma));
  EXPECT_NEAR(got.loss[0], 0, 1e-15);  // sums of 1 / n (n - 1), in another order
  EXPECT_EQ(got.dx, want.dx);
}

TEST(MmdCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  Input in = make({3, 4, 2, false, false});
  const Stream stream;
  const DeviceView<float> x(6), y(8), sigma(5);
  const DeviceView<std::int32_t> rows(3);
  EXPECT_EQ(test::message_of([&] {
              cuda::mmd_bandwidths(stream.get(),
                                   {{x.data(), 3, 2}, {y.data(), 4, 2}, rows.in(), rows.in()},
                                   sigma.span(), {});
            }).rfind("mmd_bandwidths: x is 3x2 with 3 row marks, y is 4x2 with 3", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
