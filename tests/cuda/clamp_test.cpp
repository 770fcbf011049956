// The CUDA limits against the CPU's, in float: comparisons, every bit.
#include "kernels/clamp.h"

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
using Floats = std::vector<float>;

struct Case {
  std::int64_t size, offset;
};
class ClampCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ClampCuda,
                         testing::Values(Case{0, 0}, Case{1, 0}, Case{3, 1}, Case{33, 2},
                                         Case{1024, 0}, Case{1025, 3},
                                         Case{test::large(50003), 0}));

// The float next to 0.7 lies below 0.7, and `below` compares in double.
constexpr double kLimit = 0.7;

TEST_P(ClampCuda, AgreesToTheBit) {
  KT_NEEDS_GPU();
  const auto [size, offset] = GetParam();
  Floats x = test::random_floats(size, 1, -2, 2);
  for (std::size_t i = 2; i < x.size(); i += 5) x[i] = static_cast<float>(kLimit);
  for (std::size_t i = 1; i < x.size(); i += 7) x[i] = i % 2 == 0 ? NAN : -INFINITY;
  const Floats& in = x;
  Floats clamped = x, below(x.size()), rest(x.size());
  cpu::clamp(test::span(clamped), -0.5, 1.25);
  cpu::below(test::span(in), test::span(below), kLimit);
  cpu::complement(test::span(in), test::span(rest));
  const Stream stream;
  CudaStream const s = stream.get();
  for (int run = 0; run < 2; ++run) {
    const DeviceView<float> dx(s, x, offset), y(size, offset);
    cuda::below(s, dx.in(), y.span(), kLimit);
    EXPECT_TRUE(test::same_bits(y.to_host(s), below));
    cuda::complement(s, dx.in(), y.span());
    EXPECT_TRUE(test::same_bits(y.to_host(s), rest));
    const DeviceView<float> in_place(s, x, offset);
    cuda::complement(s, in_place.in(), in_place.span());
    EXPECT_TRUE(test::same_bits(in_place.to_host(s), rest));
    cuda::clamp(s, dx.span(), -0.5, 1.25);
    EXPECT_TRUE(test::same_bits(dx.to_host(s), clamped));
  }
}

TEST(ClampCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> two(2), three(3);
  EXPECT_THAT(test::message_of([&] { cuda::below(stream.get(), two.in(), three.span(), kLimit); }),
              testing::StartsWith("below: an input has 2 elements, the output 3"));
}

}  // namespace
}  // namespace ktrain
