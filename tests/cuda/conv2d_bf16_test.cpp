// Convolutions on tensor cores, of bf16 and of floats in tf32, against the CPU's in double.
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/conv2d.h"
#include "kernels/product_plan.h"
#include "tests/support/conv_device.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"
#include "tests/support/product_bound.h"
#include "tests/support/wgmma.h"

namespace ktrain {
namespace {

using test::backward_on_cpu;
using test::CpuGradients;
using test::DeviceView;
using test::forward_on_cpu;
using test::kBf16Unit;
using test::kRelu;
using test::kResidual;
using test::kScale;
using test::kShift;
using test::kSumUnit;
using test::kTf32Unit;
using test::positive;
using Case = test::ConvCase;
using Problem = test::ConvProblem;
using Floats = std::vector<float>;

// Floats are multiplied in tf32.
template <class T>
Problem on_tensor_cores(Problem p) {
  if (std::is_same_v<T, float>) p.options.precision = Precision::kTf32;
  return p;
}

Problem rounded(Problem p) {
  for (Floats* const values : {&p.x, &p.w, &p.residual, &p.g})
    *values = test::rounded_to_bf16(*values);
  return p;
}

// Y: of the output.
template <class T, class Y = T>
std::vector<Y> forward_on_device(const Problem& p, std::int64_t offset = 0) {
  return test::conv_forward_on_device<T, Y>(on_tensor_cores<T>(p), offset);
}

template <class T>
std::vector<T> data_gradient_on_device(const Problem& p, std::int64_t offset = 0) {
  return test::conv_data_gradient_on_device<T>(on_tensor_cores<T>(p), offset);
}

template <class T>
test::ConvFilterGradients weight_gradients_on_device(const Problem& p, std::int64_t offset = 0) {
  return test::conv_filter_gradients_on_device<T>(on_tensor_cores<T>(p), false, offset);
}

// Errors as shares of the sum of the terms' absolute values. `of_factors`: the two factors of each
// product are off by a unit of tf32 each. A sum of `terms` products loses a unit in each addition.
template <class T>
constexpr double kOfFactors = std::is_same_v<T, float> ? kTf32Unit*(2 + kTf32Unit) : 0;
template <class T>
double of_sum(std::int64_t terms) {
  return kOfFactors<T> + (1 + kOfFactors<T>)*kSumUnit * static_cast<double>(terms + 4);
}
// What is written as bf16 is rounded once more.
template <class T>
constexpr double kOfResult = std::is_same_v<T, float> ? 0 : kBf16Unit;

template <class T>
void expect_forward(const Problem& p) {
  const double bound = of_sum<T>(p.c.taps * p.c.taps * p.c.channels) * (1 + kOfResult<T>);
  const std::vector<double> want = forward_on_cpu<double>(p),
                            terms = forward_on_cpu<double>(positive(p));
  EXPECT_TRUE(test::within(forward_on_device<T>(p), want, terms, bound, kOfResult<T>));
  // Into floats nothing is rounded any more.
  EXPECT_TRUE(test::within(forward_on_device<T, float>(p), want, terms, bound, 0));
}

template <class T>
void expect_data_gradient(const Problem& p) {
  const std::vector<double> want = backward_on_cpu<double>(p).dx,
                            terms = backward_on_cpu<double>(positive(p)).dx;
  // Filters times their scale are rounded: to float, or to bf16.
  const double of_scaled = p.scale.empty() ? 0 : std::is_same_v<T, float> ? kSumUnit : kBf16Unit;
  const double bound =
      (of_sum<T>(p.c.taps * p.c.taps * p.c.filters) * (1 + of_scaled) + of_scaled) *
      (1 + kOfResult<T>);
  EXPECT_TRUE(test::within(data_gradient_on_device<T>(p), want, terms, bound, kOfResult<T>));
}

template <class T>
void expect_weight_gradients(const Problem& p) {
  const test::ConvFilterGradients got = weight_gradients_on_device<T>(p);
  const CpuGradients<double> want = backward_on_cpu<double>(p),
                             terms = backward_on_cpu<double>(positive(p));
  const double bound = of_sum<T>(p.c.batch * p.out_height * p.out_width);
  EXPECT_TRUE(test::within(got.dw, want.dw, terms.dw, bound, 0));
  EXPECT_TRUE(test::within(got.dscale, want.dscale, terms.dscale, bound, 0));
}

template <class T>
Problem problem_of(const Case& c, unsigned parts) {
  return std::is_same_v<T, Bfloat16> ? rounded(Problem(c, parts)) : Problem(c, parts);
}

template <class T>
void expect_all(const Case& c) {
  expect_forward<T>(problem_of<T>(c, 0));
  expect_forward<T>(problem_of<T>(c, kScale | kShift | kResidual | kRelu));
  for (const unsigned parts : {0u, unsigned{kScale}}) {
    expect_data_gradient<T>(problem_of<T>(c, parts));
    expect_weight_gradients<T>(problem_of<T>(c, parts));
  }
}

// expect(T(), problem) for bf16, and for floats in tf32.
template <class Expect>
void in_both(const Case& c, unsigned parts, const Expect& expect) {
  expect(Bfloat16{}, problem_of<Bfloat16>(c, parts));
  expect(0.0f, problem_of<float>(c, parts));
}

template <class T>
void expect_equal(const std::vector<T>& got, const std::vector<T>& want) {
  if constexpr (std::is_same_v<T, Bfloat16>)
    EXPECT_EQ(test::bits_of(got), test::bits_of(want));
  else
    EXPECT_TRUE(test::same_bits(got, want));
}

// Every pass again, with arrays that start `offset` elements later.
template <class T>
void expect_same_again(const Problem& p, std::int64_t offset) {
  expect_equal(forward_on_device<T>(p, offset), forward_on_device<T>(p));
  expect_equal(data_gradient_on_device<T>(p, offset), data_gradient_on_device<T>(p));
  const test::ConvFilterGradients once = weight_gradients_on_device<T>(p),
                                  again = weight_gradients_on_device<T>(p, offset);
  expect_equal(again.dw, once.dw);
  expect_equal(again.dscale, once.dscale);
}

// One pixel; channels that are no pieces, pieces of floats only, and of bf16 too; maps smaller than
// the filter; strides that leave pixels over, of 3 too; padding past the filter; filters without
// padding; narrow outputs; sums that are cut.
class Conv2dTensorCores : public testing::TestWithParam<Case> {
  test::WgmmaSetting no_wgmma_{false};
};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Conv2dTensorCores,
    testing::Values(Case{1, 1, 1, 1, 1, 1, 1, 0}, Case{2, 5, 4, 3, 5, 3, 1, 1},
                    Case{1, 7, 6, 16, 17, 3, 2, 1}, Case{2, 9, 11, 3, 8, 7, 2, 3},
                    Case{1, 4, 6, 33, 31, 1, 1, 0}, Case{2, 5, 7, 32, 48, 1, 2, 0},
                    Case{1, 9, 7, 16, 24, 3, 1, 1}, Case{1, 6, 5, 4, 12, 3, 1, 0},
                    Case{3, 8, 10, 64, 3, 1, 1, 0}, Case{1, 12, 9, 24, 40, 3, 2, 1},
                    Case{1, 1, 1, 32, 32, 3, 1, 1}, Case{2, 7, 5, 20, 68, 3, 1, 0},
                    Case{1, 6, 9, 8, 16, 3, 1, 2}, Case{1, 7, 9, 6, 5, 1, 3, 0},
                    Case{1, 8, 7, 8, 72, 3, 3, 1}, Case{2, 24, 23, 8, 8, 3, 1, 1},
                    Case{1, 5, 6, 72, 24, 3, 1, 1}, Case{2, 9, 8, 80, 136, 1, 1, 0}));

TEST_P(Conv2dTensorCores, Bf16AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  expect_all<Bfloat16>(GetParam());
}

TEST_P(Conv2dTensorCores, Tf32AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  expect_all<float>(GetParam());
}

TEST_P(Conv2dTensorCores, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  for (const std::int64_t offset : {0, 1})
    in_both(GetParam(), kScale | kShift | kResidual | kRelu,
            [offset]<class T>(T, const Problem& p) { expect_same_again<T>(p, offset); });
}

// Each has as many tiles as the plan wants before it takes large ones, and more slices of k than
// the ring holds.
ProductTile tile_of(std::int64_t m, std::int64_t n, std::int64_t k) {
  return plan_product(0, {m, n, k, true, Precision::kBf16}).tile;
}

TEST(Conv2dTensorCoresLarge, ForwardWithLargeTiles) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting no_wgmma(false);
  ASSERT_EQ(tile_of(131 * 129, 72, 9 * 16), ProductTile::kLarge);
  in_both({1, 131, 129, 16, 72, 3, 1, 1}, kScale | kShift | kResidual | kRelu,
          []<class T>(T, const Problem& p) { expect_forward<T>(p); });
}

TEST(Conv2dTensorCoresLarge, DataGradientWithLargeTiles) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting no_wgmma(false);
  ASSERT_EQ(tile_of(131 * 129, 72, 9 * 16), ProductTile::kLarge);
  const auto expect = []<class T>(T, const Problem& p) { expect_data_gradient<T>(p); };
  in_both({1, 131, 129, 72, 16, 3, 1, 1}, kScale, expect);
  in_both({1, 130, 131, 72, 16, 3, 2, 1}, 0, expect);
}

TEST(Conv2dTensorCoresLarge, WeightGradientWithLargeTiles) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting no_wgmma(false);
  ASSERT_EQ(tile_of(72, 9 * 1880, 110), ProductTile::kLarge);
  in_both({1, 11, 10, 1880, 72, 3, 1, 1}, kScale,
          []<class T>(T, const Problem& p) { expect_weight_gradients<T>(p); });
}

// Channels and filters that tensor copies bring, and filters that they bring for some passes only;
// tiles of 64 and 128 columns, columns to spare; steps that the ring holds and many more; images
// that end within a tile, and many in one; no padding, and more than the filter's half; strides,
// whose data gradients other tiers take; one pixel; a sum that is cut.
class Conv2dWgmma : public testing::TestWithParam<Case> {
  test::WgmmaSetting wgmma_{true};
};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Conv2dWgmma,
    testing::Values(Case{1, 1, 1, 64, 64, 1, 1, 0}, Case{2, 9, 7, 64, 64, 3, 1, 1},
                    Case{1, 12, 11, 64, 72, 3, 1, 1}, Case{3, 8, 9, 128, 136, 3, 1, 1},
                    Case{9, 3, 5, 64, 128, 3, 1, 1}, Case{1, 8, 9, 64, 64, 3, 1, 0},
                    Case{1, 6, 7, 64, 64, 3, 1, 2}, Case{1, 9, 9, 64, 64, 5, 1, 2},
                    Case{2, 9, 12, 64, 72, 3, 2, 1}, Case{1, 8, 11, 64, 128, 1, 2, 0},
                    Case{1, 20, 9, 64, 12, 1, 1, 0}, Case{1, 11, 6, 128, 64, 1, 1, 0},
                    Case{2, 24, 23, 64, 64, 3, 1, 1}, Case{1, 10, 10, 192, 320, 1, 1, 0}));

TEST_P(Conv2dWgmma, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Problem p(c, 0);
  if (test::can_wgmma()) {
    const ProductShape shape =
        forward_product(p.krsc<const Bfloat16>(nullptr), p.out<const Bfloat16>(nullptr));
    EXPECT_TRUE(shape.tensor_copies);
  }
  expect_all<Bfloat16>(c);
}

TEST_P(Conv2dWgmma, IsTheSameToTheBitAgain) {
  KT_NEEDS_GPU();
  expect_same_again<Bfloat16>(problem_of<Bfloat16>(GetParam(), kScale | kShift | kResidual | kRelu),
                              0);
}

// What stands at an odd address is multiplied by another tier, in the same runs of k.
TEST(Conv2dWgmma, AnOddAddressIsTakenElsewhere) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  const Problem p = rounded(Problem({2, 9, 7, 64, 64, 3, 1, 1}, kScale));
  const std::vector<double> want = forward_on_cpu<double>(p),
                            terms = forward_on_cpu<double>(positive(p));
  EXPECT_TRUE(test::within(forward_on_device<Bfloat16>(p, 1), want, terms,
                           of_sum<Bfloat16>(9 * 64) * (1 + kOfResult<Bfloat16>),
                           kOfResult<Bfloat16>));
}

TEST(Conv2dWgmmaLarge, WideTilesInEveryPass) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  const std::int64_t side = test::large(46) < 46 ? 12 : 92;
  const Problem p = rounded(Problem({1, side, 92, 64, 256, 3, 1, 1}, kScale | kShift | kRelu)),
                q = rounded(Problem({1, side, 92, 256, 64, 3, 1, 1}, kScale));
  if (side == 92) {
    ProductShape shape =
        forward_product(p.krsc<const Bfloat16>(nullptr), p.out<const Bfloat16>(nullptr));
    shape.precision = Precision::kBf16;
    ASSERT_EQ(plan_product(90, shape).tile,
              test::can_wgmma() ? ProductTile::kWide : ProductTile::kLarge);
  }
  expect_forward<Bfloat16>(p);
  expect_data_gradient<Bfloat16>(q);
  expect_weight_gradients<Bfloat16>(p);
}

TEST(Conv2dTensorCores, NothingGivesZeroGradientsAndTheEpilogue) {
  KT_NEEDS_GPU();
  const Problem no_images = rounded(Problem({0, 4, 4, 8, 8, 3, 1, 1}, kScale));
  EXPECT_THAT(weight_gradients_on_device<Bfloat16>(no_images).dw, testing::Each(0.0f));
  in_both({2, 4, 4, 0, 3, 3, 1, 1}, kShift | kRelu,
          []<class T>(T, const Problem& p) { expect_forward<T>(p); });
  const Problem no_output = rounded(Problem({2, 2, 2, 8, 8, 5, 1, 0}, kScale));
  EXPECT_THAT(test::bits_of(data_gradient_on_device<Bfloat16>(no_output)), testing::Each(0));
}

TEST(Conv2dTensorCores, ErrorsAreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<Bfloat16> h(200);
  const DeviceView<float> f(200);
  const Nhwc<const Bfloat16> x{h.data(), 1, 4, 4, 3};
  const Krsc<const Bfloat16> w{h.data(), 2, 3, 3, 3};
  EXPECT_THAT(
      test::message_of([&] {
        cuda::conv2d_forward<Bfloat16>(stream.get(), x, w, {}, {}, {h.data(), 1, 4, 4, 2}, {});
      }),
      testing::HasSubstr("conv2d_forward: y is 1x4x4x2, wanted 1x2x2x2"));
  EXPECT_THAT(test::message_of([&] {
                cuda::conv2d_backward_data<Bfloat16>(stream.get(), {h.data(), 1, 2, 2, 2}, w,
                                                     {f.data(), 2}, {}, {h.data(), 1, 4, 4, 3}, {});
              }),
              testing::HasSubstr("conv2d_backward_data: workspace has 0 elements, wanted 28"));
}

}  // namespace
}  // namespace ktrain
