// The CUDA ops on maps of Bfloat16 against the same ops in float, which are compared with the CPU's
// in tests of their own: widened, computed in float in the same order, rounded once.
#include <gtest/gtest.h>

#include "tests/support/cuda.h"
#include "tests/support/map_ops.h"

namespace ktrain {
namespace {

class Bfloat16MapsCuda : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Offsets, Bfloat16MapsCuda, testing::Values(0, 1, 2));

TEST_P(Bfloat16MapsCuda, AreTheFloatOpsRoundedOnce) {
  KT_NEEDS_GPU();
  const Stream stream;
  test::expect_rounded_once(test::CudaMemory{stream.get(), GetParam()});
}

TEST_P(Bfloat16MapsCuda, ConvertAgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Stream stream;
  for (const std::int64_t size : {0, 1, 3, 4, 1025}) {
    const std::vector<float> x = test::random_floats(size, 1, -1e3, 1e3);
    std::vector<Bfloat16> want(x.size());
    cpu::convert(Span<const float>{x.data(), size}, Span<Bfloat16>{want.data(), size});
    const test::DeviceView<float> from(stream.get(), x, GetParam()), back(size, GetParam());
    const test::DeviceView<Bfloat16> to(size, GetParam());
    cuda::convert(stream.get(), from.in(), to.span());
    cuda::convert(stream.get(), to.in(), back.span());
    const std::vector<Bfloat16> got = to.to_host(stream.get());
    const std::vector<float> exact = back.to_host(stream.get());
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(got[i].bits, want[i].bits);
      EXPECT_EQ(exact[i], to_float(want[i]));
    }
  }
}

}  // namespace
}  // namespace ktrain
