// The CUDA reductions against sums in double, and against themselves to the last bit.
#include "kernels/reduce.h"

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

// A result per reduction, on the device and in double on the CPU.
struct Results {
  Floats sums;  // sum, sum_of_squares, dot, max_abs
  std::int32_t nonfinite = 0;
};

Results on_device(const Floats& a, const Floats& b, std::int64_t offset) {
  const Stream stream;
  const DeviceView<float> da(stream.get(), a, offset), db(stream.get(), b, offset), y(4);
  const DeviceView<double> scratch(kReduceScratch);
  const DeviceView<std::int32_t> count(1);
  const auto at = [&](int i) { return Span<float>{y.data() + i, 1}; };
  cuda::sum(stream.get(), da.in(), scratch.span(), at(0));
  cuda::sum_of_squares(stream.get(), da.in(), scratch.span(), at(1));
  cuda::dot(stream.get(), da.in(), db.in(), scratch.span(), at(2));
  cuda::max_abs(stream.get(), da.in(), scratch.span(), at(3));
  cuda::count_nonfinite(stream.get(), da.in(), scratch.span(), count.span());
  return {y.to_host(stream.get()), count.to_host(stream.get())[0]};
}

test::Vec on_cpu(const Floats& a, const Floats& b) {
  const test::Vec left = test::cast<double>(a), right = test::cast<double>(b);
  const auto n = static_cast<std::int64_t>(a.size());
  const Span<const double> x{left.data(), n}, z{right.data(), n};
  test::Vec scratch(kReduceScratch), y(4);
  const Span<double> s{scratch.data(), kReduceScratch};
  cpu::sum(x, s, Span<double>{&y[0], 1});
  cpu::sum_of_squares(x, s, Span<double>{&y[1], 1});
  cpu::dot(x, z, s, Span<double>{&y[2], 1});
  cpu::max_abs(x, s, Span<double>{&y[3], 1});
  return y;
}

struct Case {
  std::int64_t size, offset;
};
class ReduceCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ReduceCuda,
                         testing::Values(Case{0, 0}, Case{1, 0}, Case{31, 1}, Case{33, 0},
                                         Case{1024, 0}, Case{4096, 0}, Case{4099, 2},
                                         Case{test::large(100003), 0}));

TEST_P(ReduceCuda, AgreesWithDouble) {
  KT_NEEDS_GPU();
  const auto [size, offset] = GetParam();
  const Floats a = test::random_floats(size, 1), b = test::random_floats(size, 2);
  const Results got = on_device(a, b, offset);
  // Sums are taken in double: what is left is one rounding to float, 2^-24, and cancellation: terms
  // below 1 in double, 1e-16 times their number.
  EXPECT_TRUE(test::all_close(got.sums, on_cpu(a, b), 1e-15 * static_cast<double>(size), 6.1e-8));
  EXPECT_EQ(got.nonfinite, 0);
}

TEST_P(ReduceCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const auto [size, offset] = GetParam();
  const Floats a = test::random_floats(size, 1), b = test::random_floats(size, 2);
  const Results first = on_device(a, b, offset);
  EXPECT_TRUE(test::same_bits(on_device(a, b, offset).sums, first.sums));
  EXPECT_TRUE(test::same_bits(on_device(a, b, offset + 1).sums, first.sums));
}

TEST(ReduceCudaValues, InfinitiesAndNansAreSeen) {
  KT_NEEDS_GPU();
  Floats x = test::random_floats(5000, 1);
  x[77] = -5;
  EXPECT_EQ(on_device(x, x, 0).sums[3], 5);
  x[4001] = -INFINITY;
  Results got = on_device(x, x, 0);
  EXPECT_EQ(got.sums[3], INFINITY);
  EXPECT_EQ(got.sums[0], -INFINITY);
  EXPECT_EQ(got.nonfinite, 1);
  x[4999] = -NAN;
  x[0] = INFINITY;
  got = on_device(x, x, 0);
  EXPECT_TRUE(std::isnan(got.sums[3])) << "a NaN is larger than infinity";
  EXPECT_TRUE(std::isnan(got.sums[0]));
  EXPECT_EQ(got.nonfinite, 3);
}

// So many that the runs of the first kernel are longer than their least length.
TEST(ReduceCudaLarge, AddsLongRuns) {
  KT_NEEDS_GPU();
  const std::int64_t size = test::large(4300003);
  const Stream stream;
  Floats values(static_cast<std::size_t>(size), 0.5f);
  values[values.size() - 1] = 7;
  const DeviceView<float> x(stream.get(), values), y(1);
  const DeviceView<double> scratch(kReduceScratch);
  cuda::sum(stream.get(), x.in(), scratch.span(), y.span());
  EXPECT_EQ(y.to_host(stream.get())[0],
            static_cast<float>(0.5 * static_cast<double>(size - 1) + 7));
}

struct Matrix {
  std::int64_t rows, cols;
};
class ColumnSumsCuda : public testing::TestWithParam<Matrix> {};
INSTANTIATE_TEST_SUITE_P(Shapes, ColumnSumsCuda,
                         testing::Values(Matrix{0, 5}, Matrix{5, 0}, Matrix{1, 1}, Matrix{33, 1},
                                         Matrix{64, 4}, Matrix{65, 3}, Matrix{1000, 15},
                                         Matrix{129, 31}, Matrix{257, 33}, Matrix{300, 64},
                                         Matrix{70, 256}, Matrix{3, 9000},
                                         Matrix{test::large(40000), 12}));

TEST_P(ColumnSumsCuda, AgreesWithDoubleAndWithItself) {
  KT_NEEDS_GPU();
  const auto [rows, cols] = GetParam();
  const Stream stream;
  const Floats x = test::random_floats(rows * cols, 1);
  const test::Vec wide = test::cast<double>(x);
  test::Vec scratch(kReduceScratch), want(static_cast<std::size_t>(cols));
  cpu::column_sums(Rows<const double>{wide.data(), rows, cols}, {scratch.data(), kReduceScratch},
                   Span<double>{want.data(), cols});
  const DeviceView<double> dscratch(kReduceScratch);
  Floats first;
  for (const std::int64_t offset : {0, 0, 1}) {
    const DeviceView<float> dx(stream.get(), x, offset), dy(cols);
    cuda::column_sums(stream.get(), {dx.data(), rows, cols}, dscratch.span(), dy.span());
    const Floats got = dy.to_host(stream.get());
    EXPECT_TRUE(test::all_close(got, want, 1e-15 * static_cast<double>(rows), 6.1e-8));
    if (first.empty()) first = got;
    EXPECT_TRUE(test::same_bits(got, first));
  }
}

TEST(ReduceCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(8), y(2);
  const DeviceView<double> small(8), scratch(kReduceScratch);
  const auto begins = [](const std::string& text, const char* with) {
    return text.rfind(with, 0) == 0;
  };
  EXPECT_TRUE(begins(test::message_of([&] {
                       cuda::sum(stream.get(), x.in(), small.span(), {y.data(), 1});
                     }),
                     "sum: scratch has 8 elements, wanted 8192"));
  EXPECT_TRUE(
      begins(test::message_of([&] { cuda::sum(stream.get(), x.in(), scratch.span(), y.span()); }),
             "sum: the output has 2 elements, wanted 1"));
}

}  // namespace
}  // namespace ktrain
