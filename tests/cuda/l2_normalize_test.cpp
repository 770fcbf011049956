// The CUDA row normalisation against the CPU's, in double and in float.
#include "kernels/l2_normalize.h"

#include <algorithm>
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

struct Case {
  std::int64_t rows, cols;
};

template <class T>
struct Result {
  std::vector<T> y, norm, dx, scaled;
};

Result<float> on_device(const Floats& x, const Floats& dy, Case c, std::int64_t offset = 0,
                        bool in_place = false) {
  const Stream stream;
  CudaStream const s = stream.get();
  const DeviceView<float> dev_x(s, x, offset), dev_dy(s, dy, offset), norm(c.rows),
      own_y(c.rows * c.cols, offset), own_dx(c.rows * c.cols, offset), scaled(c.rows * c.cols);
  const DeviceView<float>&y = in_place ? dev_x : own_y, &dx = in_place ? dev_dy : own_dx;
  const auto rows = [&](const DeviceView<float>& v) {
    return Rows<float>{v.data(), c.rows, c.cols};
  };
  cuda::l2_normalize_forward(s, rows(dev_x), rows(y), norm.span());
  cuda::scale_rows(s, rows(dev_dy), norm.in(), rows(scaled));
  cuda::l2_normalize_backward(s, rows(y), norm.in(), rows(dev_dy), rows(dx));
  return {y.to_host(s), norm.to_host(s), dx.to_host(s), scaled.to_host(s)};
}

template <class T>
Result<T> on_cpu(const Floats& x, const Floats& dy, Case c) {
  const std::vector<T> xs = test::cast<T>(x), dys = test::cast<T>(dy);
  Result<T> r{std::vector<T>(x.size()), std::vector<T>(static_cast<std::size_t>(c.rows)),
              std::vector<T>(x.size()), std::vector<T>(x.size())};
  const auto in = [&](const std::vector<T>& v) { return Rows<const T>{v.data(), c.rows, c.cols}; };
  const auto out = [&](std::vector<T>& v) { return Rows<T>{v.data(), c.rows, c.cols}; };
  cpu::l2_normalize_forward(in(xs), out(r.y), span(r.norm));
  cpu::l2_normalize_backward(in(r.y), span(std::as_const(r.norm)), in(dys), out(r.dx));
  cpu::scale_rows(in(dys), span(std::as_const(r.norm)), out(r.scaled));
  return r;
}

class L2NormalizeCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, L2NormalizeCuda,
                         testing::Values(Case{0, 4}, Case{3, 0}, Case{1, 1}, Case{7, 3},
                                         Case{33, 31}, Case{9, 128}, Case{5, 132}, Case{3, 1001},
                                         Case{test::large(4003), 12}));

TEST_P(L2NormalizeCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  Floats x = test::random_floats(c.rows * c.cols, 1);
  const Floats dy = test::random_floats(c.rows * c.cols, 2);
  if (c.rows > 2) std::fill_n(x.begin() + c.cols, c.cols, 0.0f);  // a row without direction
  const Result<float> got = on_device(x, dy, c), narrow = on_cpu<float>(x, dy, c);
  const Result<double> wide = on_cpu<double>(x, dy, c);
  // In double but for the results: a rounding, to either side of the CPU's.
  EXPECT_TRUE(test::all_close(got.norm, narrow.norm, 0, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.norm, wide.norm, 0, 6.1e-8));
  EXPECT_TRUE(test::all_close(got.y, narrow.y, 0, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.y, wide.y, 0, 6.1e-8));
  // norm and y enter with a rounding each: relative to dy / norm, which is below 1 / norm.
  const double least = c.cols == 1 ? 1e-4 : 0.1;  // below the norms of these rows
  EXPECT_TRUE(test::all_close(got.dx, narrow.dx, 4e-7 / least, 0));
  EXPECT_TRUE(test::all_close(got.dx, wide.dx, 4e-7 / least, 0));
  EXPECT_TRUE(test::all_close(got.scaled, narrow.scaled, 0, 3e-7));
}

TEST_P(L2NormalizeCuda, IsTheSameToTheBitAgainInPlaceAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Floats x = test::random_floats(c.rows * c.cols, 1);
  const Floats dy = test::random_floats(c.rows * c.cols, 2);
  const Result<float> first = on_device(x, dy, c);
  for (const std::int64_t offset : {0, 1}) {
    const Result<float> again = on_device(x, dy, c, offset, offset == 1);
    EXPECT_TRUE(test::same_bits(again.y, first.y));
    EXPECT_TRUE(test::same_bits(again.norm, first.norm));
    EXPECT_TRUE(test::same_bits(again.dx, first.dx));
    EXPECT_TRUE(test::same_bits(again.scaled, first.scaled));
  }
}

TEST(L2NormalizeCudaValues, TinyRowsAreZeroAndBrokenOnesShow) {
  KT_NEEDS_GPU();
  const Result<float> r = on_device({1e-13f, 0, NAN, 1, 1e20f, 0}, {1, 1, 1, 1, 1, 1}, {3, 2});
  EXPECT_EQ(r.y[0], 0);
  EXPECT_EQ(r.dx[0], 0);
  EXPECT_TRUE(std::isnan(r.y[3]) && std::isnan(r.norm[1]));
  EXPECT_EQ(r.y[4], 1);
}

TEST(L2NormalizeCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(6), norm(2);
  EXPECT_EQ(
      test::message_of([&] {
        cuda::l2_normalize_forward(stream.get(), {x.data(), 3, 2}, {x.data(), 3, 2}, norm.span());
      }).rfind("l2_normalize_forward: 3x2 and 3x2, 2 numbers for the rows", 0),
      0u);
}

}  // namespace
}  // namespace ktrain
