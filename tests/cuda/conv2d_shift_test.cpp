// The gradient of a convolution's shift on CUDA, summed by the kernels that multiply for the
// gradient of its filters: against sums in double, in every tier, and without a trace in the
// filters' gradients.
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/conv2d.h"
#include "kernels/product_plan.h"
#include "tests/support/close.h"
#include "tests/support/conv_device.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"
#include "tests/support/product_bound.h"
#include "tests/support/wgmma.h"

namespace ktrain {
namespace {

using Case = test::ConvCase;
using Problem = test::ConvProblem;
using Floats = std::vector<float>;

using Gradients = test::ConvFilterGradients;

template <class T>
Gradients gradients(const Problem& p, bool with_shift, std::int64_t offset = 0) {
  return test::conv_filter_gradients_on_device<T>(p, with_shift, offset);
}

template <class T>
void expect_sums(const Problem& p, const Floats& got) {
  const Floats& g = std::is_same_v<T, Bfloat16> ? test::rounded_to_bf16(p.g) : p.g;
  const auto want = test::column_sums(g, p.c.filters),
             terms = test::column_sums(test::magnitudes(g), p.c.filters);
  const double additions = static_cast<double>(p.g.size()) / static_cast<double>(p.c.filters);
  EXPECT_TRUE(test::within(got, want, terms, test::kSumUnit * additions, test::kSumUnit));
}

// Right, and the others as without it.
template <class T>
Gradients expect_along(const Problem& p) {
  const Gradients with = gradients<T>(p, true), without = gradients<T>(p, false);
  expect_sums<T>(p, with.dshift);
  EXPECT_TRUE(test::same_bits(with.dw, without.dw));
  EXPECT_TRUE(test::same_bits(with.dscale, without.dscale));
  return with;
}

Problem problem_of(const Case& c, unsigned parts, Precision precision) {
  Problem p(c, parts);
  if (precision != Precision::kBf16) p.options.precision = precision;
  return p;
}

// With a scale and without; the same again, and right at an odd address too.
template <class T>
void expect_always(const Case& c, Precision precision) {
  expect_along<T>(problem_of(c, test::kScale, precision));
  const Problem p = problem_of(c, 0, precision);
  const Gradients first = expect_along<T>(p);
  EXPECT_TRUE(test::same_bits(gradients<T>(p, true).dshift, first.dshift));
  expect_sums<T>(p, gradients<T>(p, true, 1).dshift);
}

// What the plan for the filters' gradient is.
ProductPlan plan_of(const Case& c, Precision precision) {
  const Problem p(c, 0);
  ProductShape shape = weights_product(p.out<const float>(nullptr), p.krsc<float>(nullptr));
  shape.precision = precision;
  return plan_product(0, shape);
}

// One pixel; channels that are no quads, one and none; filters for several tiles of rows; several
// tiles of columns, of which one sums; filters of one tap, which are plain products; strides; no
// images; k in one slice, in several, and cut into runs.
class Conv2dShiftCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Conv2dShiftCuda,
    testing::Values(Case{1, 1, 1, 1, 1, 1, 1, 0}, Case{2, 5, 4, 3, 5, 3, 1, 1},
                    Case{1, 7, 6, 16, 17, 3, 2, 1}, Case{2, 5, 7, 32, 48, 1, 2, 0},
                    Case{1, 9, 7, 16, 24, 3, 1, 1}, Case{2, 7, 5, 20, 136, 3, 1, 0},
                    Case{3, 8, 10, 64, 3, 1, 1, 0}, Case{2, 24, 23, 8, 72, 3, 1, 1},
                    Case{2, 23, 25, 4, 200, 1, 1, 0}, Case{1, 7, 9, 6, 5, 1, 3, 0},
                    Case{2, 4, 4, 0, 3, 3, 1, 1}, Case{2, 24, 23, 0, 5, 1, 1, 0},
                    Case{0, 4, 4, 3, 2, 3, 1, 1}, Case{1, 6, 7, 8, 8, 3, 1, 2}));

TEST_P(Conv2dShiftCuda, OfFloats) {
  KT_NEEDS_GPU();
  expect_always<float>(GetParam(), Precision::kFloat);
}

TEST_P(Conv2dShiftCuda, OfFloatsOnTensorCores) {
  KT_NEEDS_GPU();
  expect_always<float>(GetParam(), Precision::kTf32);
}

TEST_P(Conv2dShiftCuda, OfBf16) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting no_wgmma(false);
  expect_always<Bfloat16>(GetParam(), Precision::kBf16);
}

TEST(Conv2dShiftCuda, IsSummedFromRunsToo) {
  for (const Precision precision : {Precision::kFloat, Precision::kTf32, Precision::kBf16}) {
    EXPECT_GT(plan_of({2, 24, 23, 8, 72, 3, 1, 1}, precision).splits, 1);
    EXPECT_GT(plan_of({2, 23, 25, 4, 200, 1, 1, 0}, precision).splits, 1);
    EXPECT_GT(plan_of({2, 24, 23, 0, 5, 1, 1, 0}, precision).splits, 1);
    EXPECT_EQ(plan_of({1, 9, 7, 16, 24, 3, 1, 1}, precision).splits, 1);
  }
  EXPECT_EQ(plan_of({2, 23, 25, 4, 200, 1, 1, 0}, Precision::kFloat).tile, ProductTile::kNarrow);
}

TEST(Conv2dShiftCuda, WithLargeTiles) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting no_wgmma(false);
  const Case c{1, 11, 10, 1880, 72, 3, 1, 1};
  for (const Precision precision : {Precision::kFloat, Precision::kTf32, Precision::kBf16})
    ASSERT_EQ(plan_of(c, precision).tile, ProductTile::kLarge);
  expect_along<float>(problem_of(c, 0, Precision::kFloat));
  expect_along<float>(problem_of(c, 0, Precision::kTf32));
  expect_along<Bfloat16>(problem_of(c, test::kScale, Precision::kBf16));
}

// Tiles of 64 and 128 columns, several rows of them and rows to spare; one step of the ring, and
// more than it holds; a sum that is cut; taps and a stride; plain products.
class Conv2dShiftWgmma : public testing::TestWithParam<Case> {
  test::WgmmaSetting wgmma_{true};
};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Conv2dShiftWgmma,
    testing::Values(Case{1, 1, 1, 64, 64, 1, 1, 0}, Case{1, 12, 11, 64, 72, 3, 1, 1},
                    Case{3, 8, 9, 128, 136, 3, 1, 1}, Case{2, 9, 12, 64, 72, 3, 2, 1},
                    Case{2, 24, 23, 64, 64, 3, 1, 1}, Case{2, 24, 23, 64, 200, 1, 1, 0},
                    Case{1, 10, 10, 192, 320, 1, 1, 0}, Case{1, 5, 9, 64, 8, 3, 1, 1}));

TEST_P(Conv2dShiftWgmma, OfBf16) {
  KT_NEEDS_GPU();
  EXPECT_EQ(plan_of(GetParam(), Precision::kBf16).tier,
            test::can_wgmma() ? ProductTier::kWgmma : ProductTier::kMma);
  expect_always<Bfloat16>(GetParam(), Precision::kBf16);
}

TEST(Conv2dShiftWgmmaLarge, WithWideTiles) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  const Case c{1, 9, 8, 256 * 132, 72, 1, 1, 0};
  ASSERT_EQ(plan_of(c, Precision::kBf16).tile,
            test::can_wgmma() ? ProductTile::kWide : ProductTile::kLarge);
  expect_along<Bfloat16>(problem_of(c, test::kScale, Precision::kBf16));
}

TEST(Conv2dShiftCuda, OfAnotherSizeIsRefused) {
  const Problem p({1, 4, 4, 3, 2, 3, 1, 1}, 0);
  Floats dw(p.w.size()), dshift(3);
  EXPECT_THAT(test::message_of([&] {
                cuda::conv2d_backward_weights<float>(nullptr, p.in(p.x.data()), p.out(p.g.data()),
                                                     {}, {}, p.krsc(dw.data()), {},
                                                     test::mutable_span(dshift), p.options);
              }),
              testing::HasSubstr("dshift has 3 elements, wanted 2 or none"));
}

}  // namespace
}  // namespace ktrain
