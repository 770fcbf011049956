// The CUDA random numbers against the CPU's: every bit, but for log, sine and cosine.
#include "kernels/random.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;
using Order = std::vector<std::int64_t>;

constexpr RandomKey kKey{0x123456789abcdef0u, 77, 5};
constexpr std::uint32_t kSample = 9;

struct Case {
  std::int64_t size, offset;
};
class RandomCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, RandomCuda,
                         testing::Values(Case{0, 0}, Case{1, 0}, Case{2, 1}, Case{33, 2},
                                         Case{1024, 0}, Case{1027, 3},
                                         Case{test::large(40001), 0}));

TEST_P(RandomCuda, UniformNumbersAgreeToTheBit) {
  KT_NEEDS_GPU();
  const auto [size, offset] = GetParam();
  const Stream stream;
  for (const double high : {2.0, -1.0 + 1e-7}) {  // the second rounds to the open end, often
    Floats want(static_cast<std::size_t>(size));
    cpu::fill_uniform(kKey, kSample, test::span(want), -1.0, high);
    for (int run = 0; run < 2; ++run) {
      const DeviceView<float> x(size, offset);
      cuda::fill_uniform(stream.get(), kKey, kSample, x.span(), -1.0, high);
      EXPECT_TRUE(test::same_bits(x.to_host(stream.get()), want));
    }
  }
}

TEST_P(RandomCuda, NormalNumbersAgree) {
  KT_NEEDS_GPU();
  const auto [size, offset] = GetParam();
  const Stream stream;
  Floats want(static_cast<std::size_t>(size)), first;
  cpu::fill_normal(kKey, kSample, test::span(want), 0.5, 2.0);
  for (const std::int64_t at : {offset, offset + 1}) {
    const DeviceView<float> x(size, at);
    cuda::fill_normal(stream.get(), kKey, kSample, x.span(), 0.5, 2.0);
    const Floats got = x.to_host(stream.get());
    // Doubles to some 1e-15, rounded to float: one in 1e7 falls on the other side.
    EXPECT_TRUE(test::all_close(got, want, 1e-14, 1.2e-7));
    int different = 0;
    for (std::size_t i = 0; i < got.size(); ++i) different += got[i] != want[i];
    EXPECT_LE(different, 1);
    if (first.empty()) first = got;
    EXPECT_TRUE(test::same_bits(got, first));
  }
}

class RandomOrderCuda : public testing::TestWithParam<std::int64_t> {};
// Within a tile of the sort, and over 2, 3, 5 and 9 of them.
INSTANTIATE_TEST_SUITE_P(Sizes, RandomOrderCuda,
                         testing::Values(0, 1, 2, 3, 777, 2047, 2048, 2049, 4096, 6000, 8193,
                                         test::large(17000)));

TEST_P(RandomOrderCuda, IsTheCpusOrder) {
  KT_NEEDS_GPU();
  const std::int64_t size = GetParam();
  Order want(static_cast<std::size_t>(size));
  cpu::random_order(kKey, kSample, test::span(want));
  const Stream stream;
  for (int run = 0; run < 2; ++run) {
    const DeviceView<std::int64_t> order(size);
    cuda::random_order(stream.get(), kKey, kSample, order.span());
    EXPECT_EQ(order.to_host(stream.get()), want);
  }
}

}  // namespace
}  // namespace ktrain
