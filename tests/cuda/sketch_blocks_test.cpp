// Blocks of a window on the device: the CPU's bits, whatever the sizes.
#include "kernels/sketch_blocks.h"

#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/cuda.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;
using Bits = std::vector<Bfloat16>;

struct Window {
  Floats newest;
  Bits finished;
};

Window make(std::int64_t size, std::int64_t places) {
  Window window{test::random_floats(size, 1), Bits(static_cast<std::size_t>(size * places))};
  const Floats values = test::random_floats(size * places, 2);
  for (std::size_t i = 0; i < values.size(); ++i) window.finished[i] = to_bfloat16(values[i]);
  constexpr float kOdd[] = {1 + 0x1p-8f,
                            1 + 3 * 0x1p-8f,
                            std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN(),
                            -0.0f,
                            1e-40f};
  for (std::size_t i = 0; i < window.newest.size() && i < std::size(kOdd); ++i)
    window.newest[i] = kOdd[i];
  return window;
}

Span<Bfloat16> all(Bits& values) { return {values.data(), std::ssize(values)}; }

// A NaN is a NaN: of a sum, processors choose which one.
testing::AssertionResult same(const Bits& got, const Bits& want) {
  Floats a, b;
  for (const Bfloat16 x : got) a.push_back(to_float(x));
  for (const Bfloat16 x : want) b.push_back(to_float(x));
  return test::same_bits(a, b);
}

class SketchBlocksCuda : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, SketchBlocksCuda,
                         testing::Values(0, 1, 255, 257, 3 * 1031, test::large(131071)));

TEST_P(SketchBlocksCuda, PushAndJoinLeaveTheCpusBits) {
  KT_NEEDS_GPU();
  const Stream stream;
  CudaStream const s = stream.get();
  constexpr std::int64_t kPlaces = 15;
  const Window window = make(GetParam(), kPlaces);
  for (const std::int64_t misaligned : {0, 1}) {
    const DeviceView<float> newest(s, window.newest, misaligned);
    for (const std::int64_t held : {std::int64_t{0}, std::int64_t{7}, kPlaces}) {
      if (window.newest.empty() && held > 0) continue;  // no block, no place
      const DeviceView<Bfloat16> finished(s, window.finished, misaligned);
      Bits want = window.finished;
      cpu::push_block({window.newest.data(), std::ssize(window.newest)}, all(want), held);
      cuda::push_block(s, newest.in(), finished.span(), held);
      EXPECT_TRUE(same(finished.to_host(s), want)) << held;
      cpu::join_blocks({window.newest.data(), std::ssize(window.newest)}, all(want));
      cuda::join_blocks(s, newest.in(), finished.span());
      EXPECT_TRUE(same(finished.to_host(s), want)) << held;
    }
  }
}

TEST(SketchBlocksCudaErrors, WrongSizesAreRefused) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> newest(4);
  const DeviceView<Bfloat16> two(8), odd(9);
  EXPECT_THROW(cuda::push_block(stream.get(), newest.in(), two.span(), 3), Error);
  EXPECT_THROW(cuda::push_block(stream.get(), newest.in(), odd.span(), 0), Error);
  EXPECT_THROW(cuda::join_blocks(stream.get(), newest.in(), two.span()), Error);
}

}  // namespace
}  // namespace ktrain
