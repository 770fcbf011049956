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

TEST_P(RowLabelsCuda, AccuracyEqualsTheCpus) {
  KT_NEEDS_GPU();
  const std::int64_t size = GetParam();
  std::vector<float> logits;
  Ints labels;
  for (std::int64_t r = 0; r < size; ++r) {
    logits.insert(logits.end(), {static_cast<float>(r * 7 % 5), static_cast<float>(r * 3 % 5)});
    labels.push_back(static_cast<std::int32_t>(r * 5 % 3) - 1);
  }
  std::vector<float> share(1);
  cpu::row_accuracy<float>({logits.data(), size, 2}, test::span(std::as_const(labels)),
                           test::span(share));
  const Stream stream;
  const DeviceView<float> dlogits(stream.get(), logits, 1), dshare(1);
  const DeviceView<std::int32_t> dlabels(stream.get(), labels, 1);
  cuda::row_accuracy(stream.get(), {dlogits.data(), size, 2}, dlabels.in(), dshare.span());
  EXPECT_EQ(dshare.to_host(stream.get()), share);
}

TEST(RowLabelsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<std::int32_t> rows(3), labels(2);
  const DeviceView<float> count(1);
  EXPECT_THAT(test::message_of(
                  [&] { cuda::row_labels(nullptr, rows.in(), labels.span(), count.span(), 1); }),
              testing::StartsWith("row_labels: 3 rows, 2 labels"));
  EXPECT_THAT(test::message_of([&] {
                cuda::row_accuracy(nullptr, {count.data(), 1, 1}, rows.in(), count.span());
              }),
              testing::StartsWith("row_accuracy: logits 1x1, 3 labels"));
}

}  // namespace
}  // namespace ktrain
