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
#include "tests/support/message.h"
#include "tests/support/product_bound.h"
#include "tests/support/wgmma.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;

struct Case {
  std::int64_t m, n, k;
};

struct Inputs {
  Case size;
  GemmOptions options;
  Floats a, b, bias;

  Inputs(const Case& of, bool with_bias, const GemmOptions& with)
      : size(of),
        options(with),
        a(test::random_floats(of.m * of.k, 1)),
        b(test::random_floats(of.k * of.n, 2)),
        bias(test::random_floats(with_bias ? of.n : 0, 3)) {}
  template <class T>
  [[nodiscard]] Rows<const T> a_rows(const T* at) const {
    return options.transpose_a ? Rows<const T>{at, size.k, size.m}
                               : Rows<const T>{at, size.m, size.k};
  }
  template <class T>
  [[nodiscard]] Rows<const T> b_rows(const T* at) const {
    return options.transpose_b ? Rows<const T>{at, size.n, size.k}
                               : Rows<const T>{at, size.k, size.n};
  }
  [[nodiscard]] Inputs rounded() const {
    Inputs in = *this;
    in.a = test::rounded_to_bf16(a);
    in.b = test::rounded_to_bf16(b);
    return in;
  }
  // All terms positive.
  [[nodiscard]] Inputs positive() const {
    Inputs in = *this;
    in.a = test::magnitudes(a);
    in.b = test::magnitudes(b);
    in.bias = test::magnitudes(bias);
    return in;
  }
};

// C is the type of the result, and `in` rounded().
template <class C>
std::vector<C> bf16_on_device(const Inputs& in, std::int64_t offset = 0) {
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<Bfloat16> a(s, test::as_bf16(in.a), offset), b(s, test::as_bf16(in.b), offset);
  const DeviceView<float> bias(s, in.bias, offset);
  const DeviceView<C> c(in.size.m * in.size.n, offset);
  const auto a_rows = in.a_rows<Bfloat16>(a.data()), b_rows = in.b_rows<Bfloat16>(b.data());
  const Rows<const Bfloat16> c_shape{nullptr, in.size.m, in.size.n};
  const DeviceView<float> workspace(
      cuda::gemm_workspace(a_rows, b_rows, bias.in(), c_shape, in.options), offset);
  cuda::gemm(s, a_rows, b_rows, bias.in(), workspace.span(),
             Rows<C>{c.data(), in.size.m, in.size.n}, in.options);
  return c.to_host(s);
}

Floats tf32_on_device(const Inputs& in, std::int64_t offset = 0) {
  const Stream stream;
  const CudaStream s = stream.get();
  GemmOptions options = in.options;
  options.precision = Precision::kTf32;
  const DeviceView<float> a(s, in.a, offset), b(s, in.b, offset), bias(s, in.bias, offset),
      c(in.size.m * in.size.n, offset);
  const auto a_rows = in.a_rows<float>(a.data()), b_rows = in.b_rows<float>(b.data());
  const Rows<float> c_rows{c.data(), in.size.m, in.size.n};
  const DeviceView<float> workspace(
      cuda::gemm_workspace<float>(a_rows, b_rows, bias.in(), c_rows, options), offset);
  cuda::gemm(s, a_rows, b_rows, bias.in(), workspace.span(), c_rows, options);
  return c.to_host(s);
}

std::vector<double> exact(const Inputs& in) {
  const std::vector<double> a(in.a.begin(), in.a.end()), b(in.b.begin(), in.b.end()),
      bias(in.bias.begin(), in.bias.end());
  std::vector<double> c(static_cast<std::size_t>(in.size.m * in.size.n));
  GemmOptions options = in.options;
  options.engine = GemmEngine::kReference;
  cpu::gemm<double>(in.a_rows<double>(a.data()), in.b_rows<double>(b.data()),
                    {bias.data(), static_cast<std::int64_t>(bias.size())}, {},
                    {c.data(), in.size.m, in.size.n}, options);
  return c;
}

// A sum of k products and a bias loses at most a unit of the terms' sum in each addition.
double of_sum(const Inputs& in) { return test::kSumUnit * static_cast<double>(in.size.k + 2); }

void expect_bf16(const Inputs& any) {
  const Inputs in = any.rounded();
  const std::vector<double> want = exact(in), terms = exact(in.positive());
  EXPECT_TRUE(test::within(bf16_on_device<float>(in), want, terms, of_sum(in), 0));
  // Rounded once more, for which the sum's own error counts too.
  EXPECT_TRUE(test::within(bf16_on_device<Bfloat16>(in), want, terms,
                           of_sum(in) * (1 + test::kBf16Unit), test::kBf16Unit));
}

// Two operands, each off by a unit.
constexpr double kOfTf32 = test::kTf32Unit * (2 + test::kTf32Unit);

void expect_tf32(const Inputs& in) {
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
    expect_bf16(Inputs(GetParam(), (form & 4) != 0, form_of(form)));
  }
}

TEST_P(GemmTensorCores, Tf32AgreesWithTheCpuInEveryForm) {
  KT_NEEDS_GPU();
  for (unsigned form = 0; form < 8; ++form) {
    SCOPED_TRACE(form);
    expect_tf32(Inputs(GetParam(), (form & 4) != 0, form_of(form)));
  }
}

TEST_P(GemmTensorCores, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  for (unsigned form = 0; form < 4; ++form) {
    const Inputs in(GetParam(), true, form_of(form)), rounded = in.rounded();
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
    expect_bf16(Inputs(size, true, form_of(form)));
    expect_tf32(Inputs(size, true, form_of(form)));
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
    const Inputs in(GetParam(), (form & 4) != 0, form_of(form));
    expect_bf16(in);
    const Inputs rounded = in.rounded();
    EXPECT_EQ(test::bits_of(bf16_on_device<Bfloat16>(rounded)),
              test::bits_of(bf16_on_device<Bfloat16>(rounded)));
  }
}

// Maps are arguments of the kernel, which a graph keeps.
TEST(GemmWgmma, AGraphReadsWhatStandsThereWhenItRuns) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  Inputs in = Inputs({72, 64, 128}, false, {}).rounded();
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
    const Inputs in = Inputs(size, true, form_of(form)).rounded();
    EXPECT_TRUE(
        test::within(bf16_on_device<float>(in), exact(in), exact(in.positive()), of_sum(in), 0));
  }
}

// tf32 is a permission that must be asked for: what floats cannot hold in it survives without.
TEST(GemmTensorCores, FloatsAreRoundedOnlyWhereTheCallerSaysSo) {
  KT_NEEDS_GPU();
  Inputs in({16, 16, 16}, false, {});
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
