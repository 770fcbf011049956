// Matrix products on tensor cores, of bf16 and of floats in tf32, against the CPU's in double.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/graph.h"
#include "kernels/device/memory.h"
#include "kernels/gemm.h"
#include "kernels/product_plan.h"
#include "tests/support/cuda.h"
#include "tests/support/gemm_problem.h"
#include "tests/support/message.h"
#include "tests/support/product_bound.h"
#include "tests/support/wgmma.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Case = test::GemmCase;
using Problem = test::GemmProblem;
using Floats = std::vector<float>;

// C is the type of the result, and `in` rounded().
template <class C>
std::vector<C> bf16_on_device(const Problem& in, std::int64_t offset = 0) {
  return test::gemm_on_device<Bfloat16, C>(in, offset);
}

Floats tf32_on_device(Problem in, std::int64_t offset = 0) {
  in.options.precision = Precision::kTf32;
  return test::gemm_on_device<float>(in, offset);
}

std::vector<double> exact(const Problem& in) { return test::gemm_on_cpu<double>(in); }

// A sum of k products and a bias loses at most a unit of the terms' sum in each addition.
double of_sum(const Problem& in) { return test::kSumUnit * static_cast<double>(in.size.k + 2); }

void expect_bf16(const Problem& any) {
  const Problem in = any.rounded();
  const std::vector<double> want = exact(in), terms = exact(in.positive());
  EXPECT_TRUE(test::within(bf16_on_device<float>(in), want, terms, of_sum(in), 0));
  // Rounded once more, for which the sum's own error counts too.
  EXPECT_TRUE(test::within(bf16_on_device<Bfloat16>(in), want, terms,
                           of_sum(in) * (1 + test::kBf16Unit), test::kBf16Unit));
}

// Two operands, each off by a unit.
constexpr double kOfTf32 = test::kTf32Unit * (2 + test::kTf32Unit);

void expect_tf32(const Problem& in) {
  EXPECT_TRUE(test::within(tf32_on_device(in), exact(in), exact(in.positive()),
                           (1 + kOfTf32) * of_sum(in) + kOfTf32, 0));
}

// Sides of 0 and 1, odd ones, whole pieces of bf16 or of floats only; k of no slice, less than one,
// several, and so many that it is cut.
class GemmTensorCores : public testing::TestWithParam<Case> {
  test::WgmmaSetting no_wgmma_{false};
};
INSTANTIATE_TEST_SUITE_P(Shapes, GemmTensorCores,
                         testing::Values(Case{1, 1, 1}, Case{0, 4, 4}, Case{5, 3, 0}, Case{3, 5, 7},
                                         Case{16, 16, 16}, Case{40, 24, 72}, Case{31, 33, 32},
                                         Case{72, 12, 68}, Case{1, 104, 40}, Case{66, 70, 130},
                                         Case{80, 136, 96}, Case{8, 40, 704}, Case{33, 15, 530}));

GemmOptions form_of(unsigned form) {
  return {.transpose_a = (form & 1) != 0, .transpose_b = (form & 2) != 0, .relu = (form & 4) != 0};
}

TEST_P(GemmTensorCores, Bf16AgreesWithTheCpuInEveryForm) {
  KT_NEEDS_GPU();
  for (unsigned form = 0; form < 8; ++form) {
    SCOPED_TRACE(form);
    expect_bf16(Problem(GetParam(), (form & 4) != 0, form_of(form)));
  }
}

TEST_P(GemmTensorCores, Tf32AgreesWithTheCpuInEveryForm) {
  KT_NEEDS_GPU();
  for (unsigned form = 0; form < 8; ++form) {
    SCOPED_TRACE(form);
    expect_tf32(Problem(GetParam(), (form & 4) != 0, form_of(form)));
  }
}

TEST_P(GemmTensorCores, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  for (unsigned form = 0; form < 4; ++form) {
    const Problem in(GetParam(), true, form_of(form)), rounded = in.rounded();
    const Floats tf32 = tf32_on_device(in);
    const auto bf16 = test::bits_of(bf16_on_device<Bfloat16>(rounded));
    for (const std::int64_t offset : {0, 1}) {
      EXPECT_TRUE(test::same_bits(tf32_on_device(in, offset), tf32));
      EXPECT_EQ(test::bits_of(bf16_on_device<Bfloat16>(rounded, offset)), bf16);
    }
  }
}

// As many tiles as the plan wants before it takes large ones; more slices than the ring holds.
TEST(GemmTensorCoresLarge, LargeTilesAgreeWithTheCpu) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting no_wgmma(false);
  const Case size{72, 132 * 128 - 8, 104};
  for (const Precision precision : {Precision::kBf16, Precision::kTf32})
    ASSERT_EQ(plan_product(0, {size.m, size.n, size.k, true, precision}).tile, ProductTile::kLarge);
  for (unsigned form = 0; form < 4; ++form) {
    SCOPED_TRACE(form);
    expect_bf16(Problem(size, true, form_of(form)));
    expect_tf32(Problem(size, true, form_of(form)));
  }
}

// One element; sides that tensor copies bring in some forms only, and that end within lines and
// tiles; k of less than a step, of one, of more than the ring holds, and cut into runs.
class GemmWgmma : public testing::TestWithParam<Case> {
  test::WgmmaSetting wgmma_{true};
};
INSTANTIATE_TEST_SUITE_P(Shapes, GemmWgmma,
                         testing::Values(Case{1, 1, 8}, Case{8, 8, 8}, Case{16, 24, 64},
                                         Case{64, 64, 64}, Case{72, 136, 72}, Case{129, 65, 200},
                                         Case{136, 200, 384}, Case{200, 72, 1000},
                                         Case{16, 264, 520}, Case{5, 3, 0}));

TEST_P(GemmWgmma, AgreesWithTheCpuInEveryForm) {
  KT_NEEDS_GPU();
  for (unsigned form = 0; form < 8; ++form) {
    SCOPED_TRACE(form);
    const Problem in(GetParam(), (form & 4) != 0, form_of(form));
    expect_bf16(in);
    const Problem rounded = in.rounded();
    EXPECT_EQ(test::bits_of(bf16_on_device<Bfloat16>(rounded)),
              test::bits_of(bf16_on_device<Bfloat16>(rounded)));
  }
}

// Maps are arguments of the kernel, which a graph keeps.
TEST(GemmWgmma, AGraphReadsWhatStandsThereWhenItRuns) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  Problem in = Problem({72, 64, 128}, false, {}).rounded();
  const Stream stream;
  const CudaStream s = stream.get();
  const std::vector<Bfloat16> values = test::as_bf16(in.a);
  const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(Bfloat16));
  const PinnedBuffer pinned(bytes);
  const DeviceView<Bfloat16> a(s, values), b(s, test::as_bf16(in.b));
  const DeviceView<float> c(72 * 64);
  const Graph graph(s, [&] {
    cuda::gemm<Bfloat16>(s, {a.data(), 72, 128}, {b.data(), 128, 64}, {}, {},
                         Rows<float>{c.data(), 72, 64}, {});
  });
  for (int launch = 0; launch < 2; ++launch) {
    std::reverse(in.a.begin(), in.a.end());
    std::memcpy(pinned.data(), test::as_bf16(in.a).data(), static_cast<std::size_t>(bytes));
    copy_to_device(s, pinned.data(), a.data(), bytes);
    graph.launch(s);
    EXPECT_TRUE(test::within(c.to_host(s), exact(in), exact(in.positive()), of_sum(in), 0));
  }
}

// So long a sum that the wide tile's three blocks are cut into enough runs.
TEST(GemmWgmmaLarge, WideTilesAgreeWithTheCpu) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  const Case size{264, 200, test::large(256 * 44) / 8 * 8};
  ProductShape shape = matrix_product(size.m, size.n, size.k, false, false);
  shape.precision = Precision::kBf16;
  if (test::can_wgmma() && size.k == 256 * 44) {
    ASSERT_EQ(plan_product(90, shape).tile, ProductTile::kWide);
    ASSERT_GT(plan_product(90, shape).splits, 1);
  }
  for (unsigned form = 0; form < 4; ++form) {
    SCOPED_TRACE(form);
    const Problem in = Problem(size, true, form_of(form)).rounded();
    EXPECT_TRUE(
        test::within(bf16_on_device<float>(in), exact(in), exact(in.positive()), of_sum(in), 0));
  }
}

// tf32 is a permission that must be asked for: what floats cannot hold in it survives without.
TEST(GemmTensorCores, FloatsAreRoundedOnlyWhereTheCallerSaysSo) {
  KT_NEEDS_GPU();
  Problem in({16, 16, 16}, false, {});
  in.a.assign(in.a.size(), 1.0f);
  in.b.assign(in.b.size(), 1.0f + 0x1p-20f);
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<float> a(s, in.a), b(s, in.b), c(16 * 16);
  cuda::gemm<float>(s, {a.data(), 16, 16}, {b.data(), 16, 16}, {}, {}, {c.data(), 16, 16}, {});
  EXPECT_THAT(c.to_host(s), testing::Each(16.0f + 0x1p-16f));
  const ProductShape shape{16, 16, 16, true, Precision::kTf32};
  if (plan_product(gpu_architecture(), shape).tier == ProductTier::kMma) {
    EXPECT_THAT(tf32_on_device(in), testing::Each(16.0f));
  }
}

TEST(GemmTensorCores, ErrorsAreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> f(64);
  const DeviceView<Bfloat16> h(64);
  EXPECT_THAT(test::message_of([&] {
                cuda::gemm<float>(stream.get(), {f.data(), 4, 4}, {f.data(), 4, 4}, {}, {},
                                  {f.data(), 4, 4}, {.precision = Precision::kBf16});
              }),
              testing::HasSubstr("gemm: matrices of float in bf16"));
  EXPECT_THAT(test::message_of([&] {
                cuda::gemm<Bfloat16>(stream.get(), {h.data(), 4, 4}, {h.data(), 4, 4}, {}, {},
                                     Rows<float>{f.data(), 4, 5}, {});
              }),
              testing::HasSubstr("c 4x5, wanted m x k, k x n, m x n"));
}

}  // namespace
}  // namespace ktrain
