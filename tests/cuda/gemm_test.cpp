// The CUDA matrix product against the CPU's, in double and in float.
#include "kernels/gemm.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/product_plan.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/gemm_problem.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Case = test::GemmCase;
using Problem = test::GemmProblem;
using Floats = std::vector<float>;

void expect_agreement(const Problem& p) {
  const Floats got = test::gemm_on_device<float>(p);
  // A sum of k + 1 products of numbers in [-1, 1], rounded in any order: about eps * terms, times
  // 4; twice that between two such sums.
  const double tolerance = 4 * 1.2e-7 * static_cast<double>(p.size.k + 1);
  EXPECT_TRUE(test::all_close(got, test::gemm_on_cpu<double>(p), tolerance, 1e-6));
  EXPECT_TRUE(test::all_close(got, test::gemm_on_cpu<float>(p), 2 * tolerance, 2e-6));
}

// Sides of 0 and 1, odd ones, past a tile, narrow c; k of no slice, less than one, several, and so
// many that it is cut.
class GemmCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, GemmCuda,
                         testing::Values(Case{1, 1, 1}, Case{0, 4, 4}, Case{5, 3, 0}, Case{3, 5, 7},
                                         Case{16, 16, 16}, Case{31, 33, 32}, Case{130, 12, 65},
                                         Case{129, 16, 48}, Case{1, 100, 40}, Case{66, 70, 130},
                                         Case{9, 40, 700}, Case{33, 15, 530}));

TEST_P(GemmCuda, AgreesWithTheCpuInEveryForm) {
  KT_NEEDS_GPU();
  for (unsigned form = 0; form < 16; ++form) {
    SCOPED_TRACE(form);
    expect_agreement(Problem(
        GetParam(), (form & 8) != 0,
        {.transpose_a = (form & 1) != 0, .transpose_b = (form & 2) != 0, .relu = (form & 4) != 0}));
  }
}

TEST_P(GemmCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  for (unsigned form = 0; form < 4; ++form) {
    const Problem p(GetParam(), true,
                    {.transpose_a = (form & 1) != 0, .transpose_b = (form & 2) != 0});
    const Floats first = test::gemm_on_device<float>(p);
    for (const std::int64_t offset : {0, 1})
      EXPECT_TRUE(test::same_bits(test::gemm_on_device<float>(p, offset), first));
  }
}

// As many tiles as the plan wants before it takes large ones; three slices of k.
TEST(GemmCudaLarge, LargeTilesAgreeWithTheCpu) {
  KT_NEEDS_GPU();
  const Case size{66, 132 * 128 - 5, 37};
  ASSERT_EQ(plan_product(0, {size.m, size.n, size.k}).tile, ProductTile::kLarge);
  expect_agreement(Problem(size, true, {.transpose_b = true, .relu = true}));
  expect_agreement(Problem(size, false, {.transpose_a = true}));
  const Case tall{132 * 128 - 4, 68, 33};
  expect_agreement(Problem(tall, false, {}));
}

TEST(GemmCudaLarge, RunsAgreeWithTheCpu) {
  KT_NEEDS_GPU();
  const Case size{70, 130, test::large(4000)};
  expect_agreement(Problem(size, true, {.transpose_a = true, .relu = true}));
}

TEST(GemmCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> m(6000);
  const auto message = [&](Rows<const float> a, Rows<const float> b, Rows<float> c,
                           const GemmOptions& options) {
    return test::message_of([&] { cuda::gemm<float>(stream.get(), a, b, {}, {}, c, options); });
  };
  EXPECT_THAT(message({m.data(), 2, 3}, {m.data(), 2, 3}, {m.data(), 2, 3}, {}),
              testing::HasSubstr("gemm: op(a) is 2x3, op(b) 2x3, c 2x3"));
  EXPECT_THAT(message({m.data(), 2, 3}, {m.data(), 3, 2}, {m.data(), 2, 2},
                      {.engine = GemmEngine::kOneDnn}),
              testing::HasSubstr("on CUDA there is the engine auto alone"));
  EXPECT_THAT(message({m.data(), 2, 3000}, {m.data(), 3000, 2}, {m.data(), 2, 2}, {}),
              testing::HasSubstr("gemm: workspace has 0 elements, wanted"));
}

}  // namespace
}  // namespace ktrain
