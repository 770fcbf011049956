// The CUDA ring of valid rows and the copies of rows must equal the CPU's.
#include "kernels/next_rows.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::span;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

class NextRowsCuda : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, NextRowsCuda,
                         testing::Values(0, 1, 2, 33, 256, 257, test::large(4096)));

TEST_P(NextRowsCuda, EqualTheCpu) {
  KT_NEEDS_GPU();
  const Stream stream;
  const std::int64_t n = GetParam();
  for (const int every : {1, 3, 1000000}) {  // all rows are valid, some, one
    Floats valid;
    for (std::int64_t i = 0; i < n; ++i) valid.push_back(i % every == n % every % 2 ? 1.0f : 0.0f);
    Ints next(valid.size()), before(valid.size());
    cpu::next_rows<float>(span(std::as_const(valid)), span(next), span(before));
    const DeviceView<float> dvalid(stream.get(), valid, 1);
    const DeviceView<std::int32_t> dnext(n, 1), dbefore(n);
    cuda::next_rows(stream.get(), dvalid.in(), dnext.span(), dbefore.span());
    EXPECT_EQ(dnext.to_host(stream.get()), next);
    EXPECT_EQ(dbefore.to_host(stream.get()), before);
  }
}

TEST(TakeRowsCuda, EqualsTheCpu) {
  KT_NEEDS_GPU();
  const Stream stream;
  for (const std::int64_t cols : {1, 3, 128, 300})
    for (const std::int64_t taken : {0, 1, 90}) {
      const Floats x = test::random_floats(40 * cols, 1);
      Ints from;
      for (std::int32_t r = 0; r < taken; ++r) from.push_back(r * 7 % 40);
      Floats y(static_cast<std::size_t>(taken * cols));
      cpu::take_rows<float>({x.data(), 40, cols}, span(std::as_const(from)),
                            {y.data(), taken, cols});
      const DeviceView<float> dx(stream.get(), x, 1), dy(taken * cols, 1);
      const DeviceView<std::int32_t> dfrom(stream.get(), from);
      cuda::take_rows(stream.get(), {dx.data(), 40, cols}, dfrom.in(), {dy.data(), taken, cols});
      EXPECT_EQ(dy.to_host(stream.get()), y);
    }
}

TEST(TakeRowsCuda, ARowThatIsNotThereShows) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(stream.get(), {1, 2, 3}), y(3);
  const DeviceView<std::int32_t> from(stream.get(), {-1, 3, 2});
  cuda::take_rows(stream.get(), {x.data(), 3, 1}, from.in(), {y.data(), 3, 1});
  const Floats got = y.to_host(stream.get());
  EXPECT_TRUE(std::isnan(got[0]) && std::isnan(got[1]));
  EXPECT_EQ(got[2], 3);
}

TEST(NextRowsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> x(3);
  const DeviceView<std::int32_t> two(2), three(3);
  EXPECT_THAT(test::message_of([&] { cuda::next_rows(nullptr, x.in(), two.span(), three.span()); }),
              testing::StartsWith("next_rows: 3 rows, next 2, before 3"));
  EXPECT_THAT(test::message_of([&] {
                cuda::take_rows(nullptr, {x.data(), 3, 1}, two.in(), {x.data(), 3, 1});
              }),
              testing::StartsWith("take_rows: x is 3x1, 2 rows taken, y 3x1"));
}

}  // namespace
}  // namespace ktrain
