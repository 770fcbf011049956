// Runs of columns on CUDA: copies, so that every element must be the CPU's.
#include "kernels/columns.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;

struct Case {
  std::int64_t rows, narrow, wide, first, offset;
};

class ColumnsCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, ColumnsCuda,
                         testing::Values(Case{0, 2, 4, 1, 0}, Case{3, 0, 4, 4, 0},
                                         Case{1, 1, 1, 0, 0}, Case{7, 3, 5, 2, 0},
                                         Case{70, 8, 20, 12, 0}, Case{70, 8, 20, 12, 1},
                                         Case{9, 300, 1200, 400, 0}, Case{2, 1028, 1032, 4, 0},
                                         Case{test::large(40000), 4, 8, 4, 0}));

TEST_P(ColumnsCuda, PlaceIsTheCpus) {
  KT_NEEDS_GPU();
  const auto [rows, narrow, wide, first, offset] = GetParam();
  const Floats x = test::random_floats(rows * narrow, 1);
  Floats want = test::random_floats(rows * wide, 2);
  const Stream stream;
  const DeviceView<float> from(stream.get(), x, offset), to(stream.get(), want, offset);
  cuda::place_columns(stream.get(), {from.data(), rows, narrow}, {to.data(), rows, wide}, first);
  cpu::place_columns<float>({x.data(), rows, narrow}, {want.data(), rows, wide}, first);
  EXPECT_TRUE(test::same_bits(to.to_host(stream.get()), want));
}

TEST_P(ColumnsCuda, TakeIsTheCpus) {
  KT_NEEDS_GPU();
  const auto [rows, narrow, wide, first, offset] = GetParam();
  const Floats x = test::random_floats(rows * wide, 1);
  Floats want(static_cast<std::size_t>(rows * narrow));
  const Stream stream;
  const DeviceView<float> from(stream.get(), x, offset), to(rows * narrow, offset);
  cuda::take_columns(stream.get(), {from.data(), rows, wide}, {to.data(), rows, narrow}, first);
  cpu::take_columns<float>({x.data(), rows, wide}, {want.data(), rows, narrow}, first);
  EXPECT_TRUE(test::same_bits(to.to_host(stream.get()), want));
}

TEST(ColumnsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> m(8);
  EXPECT_THAT(test::message_of([&] {
                cuda::place_columns(stream.get(), {m.data(), 1, 2}, {m.data(), 1, 4}, 3);
              }),
              testing::HasSubstr("a run of 1x2 from column 3 on does not lie in 1x4"));
}

}  // namespace
}  // namespace ktrain
