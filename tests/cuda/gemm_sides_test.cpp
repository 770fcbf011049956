// What a product on CUDA does beside c (GemmSides): an end has the bits of separate passes, sums of
// rows are right and leave no trace in c.
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/gemm.h"
#include "kernels/product_plan.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/gradient_end.h"
#include "tests/support/message.h"
#include "tests/support/product_bound.h"
#include "tests/support/span.h"
#include "tests/support/wgmma.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;

// A linear layer of `in` to `out` features over `rows`.
struct Case {
  std::int64_t rows, in, out;
};

struct Layer {
  Case c;
  Floats g, x, w, add, positive;

  explicit Layer(const Case& of)
      : c(of),
        g(test::random_floats(of.rows * of.out, 1)),
        x(test::random_floats(of.rows * of.in, 2)),
        w(test::random_floats(of.out * of.in, 3)),
        add(test::random_floats(of.rows * of.in, 4)),
        positive(test::random_floats(of.rows * of.in, 5)) {}
};

GemmOptions options_of(Precision precision, bool transpose_a) {
  return {.transpose_a = transpose_a,
          .precision = precision == Precision::kBf16 ? Precision::kFloat : precision};
}

// dx = g w, ending with the parts of `add` and `positive`.
template <class T>
std::vector<T> data_gradient(const Layer& l, Precision precision, const std::vector<T>& add,
                             const std::vector<T>& positive, std::int64_t offset = 0) {
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<T> g(s, test::values_of<T>(l.g), offset), w(s, test::values_of<T>(l.w), offset),
      to_add(s, add, offset), mask(s, positive, offset), dx(l.c.rows * l.c.in, offset);
  const Rows<const T> a{g.data(), l.c.rows, l.c.out}, b{w.data(), l.c.out, l.c.in};
  const GemmOptions options = options_of(precision, false);
  const GemmSides<T> sides{{to_add.in(), mask.in()}, {}};
  const DeviceView<float> workspace(
      cuda::gemm_workspace<T>(a, b, {}, {nullptr, l.c.rows, l.c.in}, options, sides), offset);
  cuda::gemm<T>(s, a, b, {}, workspace.span(), {dx.data(), l.c.rows, l.c.in}, options, sides);
  return dx.to_host(s);
}

struct WeightGradient {
  Floats dw, dbias;
};

template <class T>
WeightGradient weight_gradient(const Layer& l, Precision precision, bool with_bias,
                               std::int64_t offset = 0) {
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<T> g(s, test::values_of<T>(l.g), offset), x(s, test::values_of<T>(l.x), offset);
  const DeviceView<float> dw(l.c.out * l.c.in, offset), dbias(with_bias ? l.c.out : 0, offset);
  const Rows<const T> a{g.data(), l.c.rows, l.c.out}, b{x.data(), l.c.rows, l.c.in};
  const GemmOptions options = options_of(precision, true);
  const GemmSides<T> sides{{}, dbias.span()};
  const DeviceView<float> workspace(
      cuda::gemm_workspace<T>(a, b, {}, {nullptr, l.c.out, l.c.in}, options, sides), offset);
  cuda::gemm<T, float>(s, a, b, {}, workspace.span(), {dw.data(), l.c.out, l.c.in}, options, sides);
  return {dw.to_host(s), dbias.to_host(s)};
}

template <class T>
void expect_end(const Layer& l, Precision precision) {
  const std::vector<T> none, add = test::values_of<T>(l.add);
  std::vector<T> positive = test::values_of<T>(l.positive);
  test::plant_borders(positive);
  for (const std::int64_t offset : {0, 1}) {
    const std::vector<T> plain = data_gradient(l, precision, none, none, offset);
    for (const unsigned parts : {1u, 2u, 3u}) {
      SCOPED_TRACE(parts);
      EXPECT_TRUE(test::same_bits(data_gradient(l, precision, parts & test::kAdd ? add : none,
                                                parts & test::kPositive ? positive : none, offset),
                                  test::with_end(plain, add, positive, parts)));
    }
  }
}

template <class T>
void expect_sums(const Layer& l, Precision precision) {
  const Floats& g = std::is_same_v<T, Bfloat16> ? test::rounded_to_bf16(l.g) : l.g;
  const auto want = test::column_sums(g, l.c.out),
             terms = test::column_sums(test::magnitudes(g), l.c.out);
  for (const std::int64_t offset : {0, 1}) {
    const WeightGradient with = weight_gradient<T>(l, precision, true, offset),
                         without = weight_gradient<T>(l, precision, false, offset);
    EXPECT_TRUE(test::within(with.dbias, want, terms,
                             test::kSumUnit * static_cast<double>(l.c.rows), test::kSumUnit));
    EXPECT_TRUE(test::same_bits(with.dw, without.dw));
    const WeightGradient again = weight_gradient<T>(l, precision, true, offset);
    EXPECT_TRUE(test::same_bits(again.dbias, with.dbias));
  }
}

template <class T>
void expect_sides(const Case& c, Precision precision) {
  const Layer layer(c);
  expect_end<T>(layer, precision);
  expect_sums<T>(layer, precision);
}

ProductPlan plan_of(ProductShape shape, Precision precision) {
  shape.precision = precision;
  return plan_product(0, shape);
}
ProductPlan weights_plan(const Case& c, Precision precision) {
  return plan_of(matrix_product(c.out, c.in, c.rows, true, false), precision);
}
ProductPlan data_plan(const Case& c, Precision precision) {
  return plan_of(matrix_product(c.rows, c.in, c.out, false, false), precision);
}

// One element; no rows, no inputs; sides that are no quads and end within tiles; outputs for
// several tiles; rows or outputs in one slice, in several, and cut into runs.
class GemmSidesCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, GemmSidesCuda,
                         testing::Values(Case{1, 1, 1}, Case{0, 4, 3}, Case{7, 0, 5}, Case{3, 5, 7},
                                         Case{16, 16, 16}, Case{37, 33, 31}, Case{66, 72, 136},
                                         Case{600, 12, 65}, Case{530, 40, 8}, Case{900, 64, 96},
                                         Case{600, 0, 8}, Case{20, 12, 600}, Case{24, 16, 640}));

TEST_P(GemmSidesCuda, OfFloats) {
  KT_NEEDS_GPU();
  expect_sides<float>(GetParam(), Precision::kFloat);
}

TEST_P(GemmSidesCuda, OfFloatsOnTensorCores) {
  KT_NEEDS_GPU();
  expect_sides<float>(GetParam(), Precision::kTf32);
}

TEST_P(GemmSidesCuda, OfBf16) {
  KT_NEEDS_GPU();
  for (const bool allowed : {false, true}) {
    const test::WgmmaSetting wgmma(allowed);
    expect_sides<Bfloat16>(GetParam(), Precision::kBf16);
  }
}

TEST(GemmSidesCuda, AreTakenFromRunsAndInEveryTier) {
  const test::WgmmaSetting wgmma(true);
  for (const Precision precision : {Precision::kFloat, Precision::kTf32, Precision::kBf16}) {
    EXPECT_EQ(weights_plan({66, 72, 136}, precision).splits, 1);
    for (const Case& c : {Case{600, 12, 65}, Case{530, 40, 8}, Case{900, 64, 96}, Case{600, 0, 8}})
      EXPECT_GT(weights_plan(c, precision).splits, 1);
    for (const Case& c : {Case{20, 12, 600}, Case{24, 16, 640}})
      EXPECT_GT(data_plan(c, precision).splits, 1);
  }
  const ProductTier bf16 = test::can_wgmma() ? ProductTier::kWgmma : ProductTier::kMma;
  EXPECT_EQ(weights_plan({900, 64, 96}, Precision::kFloat).tier, ProductTier::kSimt);
  EXPECT_EQ(weights_plan({900, 64, 96}, Precision::kTf32).tier, ProductTier::kMma);
  EXPECT_EQ(weights_plan({900, 64, 96}, Precision::kBf16).tier, bf16);
  EXPECT_EQ(data_plan({24, 16, 640}, Precision::kBf16).tier, bf16);
}

// On both devices.
TEST(GemmSidesErrors, AreNamed) {
  Floats a(6), b(6), c(9), sums(4);
  const Rows<const float> a_rows{a.data(), 2, 3}, b_rows{b.data(), 2, 3};
  const auto message = [&](const GemmSides<float>& sides, const GemmOptions& options, bool on_cpu) {
    return test::message_of([&] {
      const Rows<const float> right =
          options.transpose_b ? Rows<const float>{b.data(), 3, 2} : b_rows;
      if (on_cpu)
        cpu::gemm<float>(a_rows, right, {}, test::mutable_span(a), {c.data(), 3, 3}, options,
                         sides);
      else
        cuda::gemm<float>(nullptr, a_rows, right, {}, test::mutable_span(a), {c.data(), 3, 3},
                          options, sides);
    });
  };
  for (const bool on_cpu : {true, false}) {
    EXPECT_THAT(message({{}, {sums.data(), 2}}, {.transpose_a = true}, on_cpu),
                testing::HasSubstr("gemm: row_sums has 2 elements, wanted 3 or none"));
    EXPECT_THAT(
        message({{}, {sums.data(), 3}}, {.transpose_a = true, .transpose_b = true}, on_cpu),
        testing::HasSubstr("gemm: row_sums of a product with other than transpose_a alone"));
    EXPECT_THAT(message({{{c.data(), 4}, {}}, {}}, {.transpose_a = true}, on_cpu),
                testing::HasSubstr("gemm: add has 4 elements, dx 9"));
    EXPECT_THAT(message({{{}, {c.data(), 4}}, {}}, {.transpose_a = true}, on_cpu),
                testing::HasSubstr("gemm: positive has 4 elements, dx 9"));
  }
  const std::vector<Bfloat16> low(6);
  const Rows<const Bfloat16> rows{low.data(), 2, 3};
  const GemmSides<Bfloat16> ended{{{low.data(), 9}, {}}, {}};
  std::vector<float> workspace(64);
  EXPECT_THAT(test::message_of([&] {
                cpu::gemm<Bfloat16, float>(rows, rows, {}, test::mutable_span(workspace),
                                           {c.data(), 3, 3}, {.transpose_a = true}, ended);
              }),
              testing::HasSubstr("gemm: an end of a c in float"));
  EXPECT_THAT(test::message_of([&] {
                cuda::gemm<Bfloat16, float>(nullptr, rows, rows, {}, test::mutable_span(workspace),
                                            {c.data(), 3, 3}, {.transpose_a = true}, ended);
              }),
              testing::HasSubstr("gemm: an end of a c in float"));
}

// The sums' runs stand behind those of c.
TEST(GemmSidesErrors, ARoomForCAloneIsTooSmall) {
  const Floats a(600 * 8), b(600 * 4);
  Floats c(32), sums(8);
  const Rows<const float> left{a.data(), 600, 8}, right{b.data(), 600, 4};
  const GemmOptions options{.transpose_a = true};
  Floats workspace(static_cast<std::size_t>(
      cuda::gemm_workspace<float>(left, right, {}, {nullptr, 8, 4}, options)));
  EXPECT_THAT(test::message_of([&] {
                cuda::gemm<float>(nullptr, left, right, {}, test::mutable_span(workspace),
                                  {c.data(), 8, 4}, options, {{}, test::mutable_span(sums)});
              }),
              testing::HasSubstr("gemm: workspace has"));
}

}  // namespace
}  // namespace ktrain
