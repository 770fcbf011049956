// The CUDA softmax and its gradient against the CPU's, in double and in float.
#include "kernels/softmax.h"

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

struct Case {
  std::int64_t rows, cols;
};

template <class T>
struct Result {
  std::vector<T> y, dx;
};

Result<float> on_device(const Floats& x, const Floats& dy, Case c, std::int64_t offset = 0,
                        bool in_place = false) {
  const Stream stream;
  CudaStream const s = stream.get();
  const DeviceView<float> dev_x(s, x, offset), dev_dy(s, dy, offset), own_y(c.rows * c.cols),
      own_dx(c.rows * c.cols);
  const DeviceView<float>&y = in_place ? dev_x : own_y, &dx = in_place ? dev_dy : own_dx;
  cuda::softmax_forward(s, {dev_x.data(), c.rows, c.cols}, {y.data(), c.rows, c.cols});
  cuda::softmax_backward(s, {y.data(), c.rows, c.cols}, {dev_dy.data(), c.rows, c.cols},
                         {dx.data(), c.rows, c.cols});
  return {y.to_host(s), dx.to_host(s)};
}

template <class T>
Result<T> on_cpu(const Floats& x, const Floats& dy, Case c) {
  const std::vector<T> xs = test::cast<T>(x), dys = test::cast<T>(dy);
  Result<T> r{std::vector<T>(x.size()), std::vector<T>(x.size())};
  cpu::softmax_forward(Rows<const T>{xs.data(), c.rows, c.cols},
                       Rows<T>{r.y.data(), c.rows, c.cols});
  cpu::softmax_backward(Rows<const T>{r.y.data(), c.rows, c.cols},
                        Rows<const T>{dys.data(), c.rows, c.cols},
                        Rows<T>{r.dx.data(), c.rows, c.cols});
  return r;
}

class SoftmaxCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, SoftmaxCuda,
                         testing::Values(Case{0, 2}, Case{3, 0}, Case{1, 1}, Case{31, 2},
                                         Case{33, 3}, Case{65, 9}, Case{5, 31}, Case{9, 33},
                                         Case{3, 1000}, Case{test::large(20011), 2}));

TEST_P(SoftmaxCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Floats x = test::random_floats(c.rows * c.cols, 1, -4, 4);
  const Floats dy = test::random_floats(c.rows * c.cols, 2);
  const Result<float> got = on_device(x, dy, c), narrow = on_cpu<float>(x, dy, c);
  const Result<double> wide = on_cpu<double>(x, dy, c);
  // An argument of exp below 8 is known to 2^-22 and exp to 2 units of 2^-24; the sum has that
  // relative quality, too. The CPU's float has the same arguments.
  EXPECT_TRUE(test::all_close(got.y, narrow.y, 0, 6e-7));
  EXPECT_TRUE(test::all_close(got.y, wide.y, 0, 1e-6));
  // y (dy - sum y dy), |dy| below 1: y's relative error, three times.
  EXPECT_TRUE(test::all_close(got.dx, narrow.dx, 2e-6, 0));
  EXPECT_TRUE(test::all_close(got.dx, wide.dx, 3e-6, 0));
}

TEST_P(SoftmaxCuda, IsTheSameToTheBitAgainAndInPlace) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Floats x = test::random_floats(c.rows * c.cols, 1, -4, 4);
  const Floats dy = test::random_floats(c.rows * c.cols, 2);
  const Result<float> first = on_device(x, dy, c);
  for (const bool in_place : {false, true}) {
    const Result<float> again = on_device(x, dy, c, 1, in_place);
    EXPECT_TRUE(test::same_bits(again.y, first.y));
    EXPECT_TRUE(test::same_bits(again.dx, first.dx));
  }
}

TEST(SoftmaxCudaValues, BrokenRowsAreNanAndOthersAreNot) {
  KT_NEEDS_GPU();
  const Floats x = {1, NAN, INFINITY, 0, -INFINITY, 0, 1e4f, -1e4f};
  const Floats y = on_device(x, Floats(8), {4, 2}).y;
  for (const std::size_t i : {0u, 1u, 2u, 3u}) EXPECT_TRUE(std::isnan(y[i])) << i;
  EXPECT_EQ(y[4], 0);
  EXPECT_EQ(y[5], 1);
  EXPECT_EQ(y[6], 1);
}

TEST(SoftmaxCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(6);
  EXPECT_EQ(test::message_of([&] {
              cuda::softmax_forward(stream.get(), {x.data(), 3, 2}, {x.data(), 2, 3});
            }).rfind("softmax_forward: x is 3x2, y is 2x3", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
