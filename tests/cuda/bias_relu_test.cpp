// The CUDA backward of bias and ReLU against the CPU's: masks to the bit, sums to rounding.
#include "kernels/bias_relu.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
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
  std::vector<T> g, dbias;
};

template <class T>
Rows<T> rows_or_none(T* at, const Case& c, bool given) {
  return given ? Rows<T>{at, c.rows, c.cols} : Rows<T>{};
}

Result<float> on_device(const Case& c, const Floats& y, const Floats& dy, bool with_bias,
                        std::int64_t offset = 0, bool in_place = false) {
  const Stream stream;
  const bool mask = !y.empty();
  const DeviceView<float> dev_y(stream.get(), y, offset), dev_dy(stream.get(), dy, offset),
      own_g(static_cast<std::int64_t>(y.size()), offset), dbias(with_bias ? c.cols : 0, offset),
      workspace(with_bias ? cpu::bias_relu_backward_workspace(c.rows, c.cols) : 0, offset);
  const DeviceView<float>& g = in_place ? dev_dy : own_g;
  cuda::bias_relu_backward<float>(stream.get(), rows_or_none<const float>(dev_y.data(), c, mask),
                                  {dev_dy.data(), c.rows, c.cols}, workspace.span(),
                                  rows_or_none(g.data(), c, mask), dbias.span());
  return {mask ? g.to_host(stream.get()) : Floats{}, dbias.to_host(stream.get())};
}

template <class T>
Result<T> on_cpu(const Case& c, const Floats& y, const Floats& dy, bool with_bias) {
  const auto y_values = test::cast<T>(y), dy_values = test::cast<T>(dy);
  Result<T> out{std::vector<T>(y.size()),
                std::vector<T>(static_cast<std::size_t>(with_bias ? c.cols : 0))};
  std::vector<T> workspace(
      static_cast<std::size_t>(cpu::bias_relu_backward_workspace(c.rows, c.cols)));
  cpu::bias_relu_backward<T>(rows_or_none<const T>(y_values.data(), c, !y.empty()),
                             {dy_values.data(), c.rows, c.cols},
                             {workspace.data(), static_cast<std::int64_t>(workspace.size())},
                             rows_or_none(out.g.data(), c, !y.empty()),
                             {out.dbias.data(), static_cast<std::int64_t>(out.dbias.size())});
  return out;
}

class BiasReluCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, BiasReluCuda,
                         testing::Values(Case{0, 3}, Case{1, 1}, Case{7, 3}, Case{255, 4},
                                         Case{256, 16}, Case{257, 33}, Case{600, 130},
                                         Case{3, 1025}, Case{test::large(20000), 64}));

TEST_P(BiasReluCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  Floats y = test::random_floats(c.rows * c.cols, 1);
  if (!y.empty()) y[0] = 0;
  const Floats dy = test::random_floats(c.rows * c.cols, 2);
  // A chunk's partial sums are below 32, each of its 256 additions rounds by 2^-20 at most, 16
  // times that as a random walk: 1.6e-5. Chunks add up likewise.
  const double chunks = static_cast<double>(c.rows) / 256 + 1;
  const double tolerance = 2e-5 * std::sqrt(chunks);
  for (const bool mask : {true, false}) {
    const Floats& out = mask ? y : Floats{};
    const Result<float> got = on_device(c, out, dy, true);
    EXPECT_TRUE(test::same_bits(got.g, on_cpu<float>(c, out, dy, true).g));
    EXPECT_TRUE(test::all_close(got.dbias, on_cpu<float>(c, out, dy, true).dbias, tolerance, 2e-7));
    EXPECT_TRUE(
        test::all_close(got.dbias, on_cpu<double>(c, out, dy, true).dbias, tolerance, 2e-7));
  }
  EXPECT_TRUE(test::same_bits(on_device(c, y, dy, false).g, on_cpu<float>(c, y, dy, false).g));
}

TEST_P(BiasReluCuda, IsTheSameToTheBitAgainInPlaceAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Floats y = test::random_floats(c.rows * c.cols, 1),
               dy = test::random_floats(c.rows * c.cols, 2);
  const Result<float> first = on_device(c, y, dy, true);
  for (const std::int64_t offset : {0, 1})
    for (const bool in_place : {false, true}) {
      const Result<float> again = on_device(c, y, dy, true, offset, in_place);
      EXPECT_TRUE(test::same_bits(again.g, first.g));
      EXPECT_TRUE(test::same_bits(again.dbias, first.dbias));
    }
}

TEST(BiasReluCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> m(16);
  const auto message = [&](Rows<const float> y, Rows<float> g, Span<float> dbias) {
    return test::message_of([&] {
      cuda::bias_relu_backward<float>(stream.get(), y, {m.data(), 2, 3}, {}, g, dbias);
    });
  };
  using testing::HasSubstr;
  EXPECT_THAT(message({m.data(), 2, 2}, {m.data(), 2, 3}, {}), HasSubstr("y is 2x2, dy 2x3"));
  EXPECT_THAT(message({m.data(), 2, 3}, {}, {}), HasSubstr("given together"));
  EXPECT_THAT(message({}, {}, {m.data(), 2}), HasSubstr("dbias has 2 elements, dy 3 columns"));
  EXPECT_THAT(message({}, {}, {m.data(), 3}), HasSubstr("workspace has 0 elements, wanted 3"));
}

}  // namespace
}  // namespace ktrain
