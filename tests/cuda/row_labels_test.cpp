// The CUDA row labels must equal the CPU's.
#include "kernels/row_labels.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Ints = std::vector<std::int32_t>;

class RowLabelsCuda : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, RowLabelsCuda,
                         testing::Values(0, 1, 31, 1024, 1025, test::large(9000)));

TEST_P(RowLabelsCuda, EqualTheCpu) {
  KT_NEEDS_GPU();
  const std::int64_t size = GetParam();
  Ints rows;
  for (std::int32_t r = 0; r < size; ++r) rows.push_back(r * 5 % 7 - 2);
  Ints labels(rows.size());
  std::vector<float> count(1);
  cpu::row_labels(test::span(std::as_const(rows)), test::span(labels), test::span(count), 6);
  const Stream stream;
  const DeviceView<std::int32_t> drows(stream.get(), rows, 1), dlabels(size, 1);
  const DeviceView<float> dcount(1);
  cuda::row_labels(stream.get(), drows.in(), dlabels.span(), dcount.span(), 6);
  EXPECT_EQ(dlabels.to_host(stream.get()), labels);
  EXPECT_EQ(dcount.to_host(stream.get()), count);
}

TEST(RowLabelsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<std::int32_t> rows(3), labels(2);
  const DeviceView<float> count(1);
  EXPECT_THAT(test::message_of(
                  [&] { cuda::row_labels(nullptr, rows.in(), labels.span(), count.span(), 1); }),
              testing::StartsWith("row_labels: 3 rows, 2 labels"));
}

}  // namespace
}  // namespace ktrain
