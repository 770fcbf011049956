// The CUDA convolutions against the CPU's, in double and in float.
#include "kernels/conv2d.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/product_plan.h"
#include "tests/support/close.h"
#include "tests/support/conv_device.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::backward_on_cpu;
using test::CpuGradients;
using test::DeviceView;
using test::forward_on_cpu;
using test::kRelu;
using test::kResidual;
using test::kScale;
using test::kShift;
using Case = test::ConvCase;
using Problem = test::ConvProblem;
using Floats = std::vector<float>;

struct Gradients {
  Floats dx, dw, dscale;
};

Gradients backward_on_device(const Problem& p, std::int64_t offset = 0) {
  const test::ConvFilterGradients filters =
      test::conv_filter_gradients_on_device<float>(p, false, offset);
  return {test::conv_data_gradient_on_device<float>(p, offset), filters.dw, filters.dscale};
}

// Rounding of a sum of `terms` products of numbers in [-1, 1] in any order, with a safety of 4 on
// the random-walk bound. Twice that between two such sums.
double sum_tolerance(std::int64_t terms) { return 4 * 1.2e-7 * static_cast<double>(terms + 4); }

void expect_forward(const Problem& p) {
  const Floats got = test::conv_forward_on_device<float>(p);
  const double tolerance = sum_tolerance(p.c.taps * p.c.taps * p.c.channels);
  EXPECT_TRUE(test::all_close(got, forward_on_cpu<double>(p), tolerance, 1e-6));
  EXPECT_TRUE(test::all_close(got, forward_on_cpu<float>(p), 2 * tolerance, 2e-6));
}

template <class T>
void expect_gradients(const Problem& p, const Gradients& got, double factor) {
  const CpuGradients<T> want = backward_on_cpu<T>(p);
  const std::int64_t pixels = p.c.batch * p.out_height * p.out_width;
  const double for_pixels = factor * sum_tolerance(pixels), relative = factor * 1e-6;
  EXPECT_TRUE(test::all_close(got.dx, want.dx,
                              factor * sum_tolerance(p.c.taps * p.c.taps * p.c.filters), relative));
  EXPECT_TRUE(test::all_close(got.dw, want.dw, for_pixels, relative));
  // A sum over taps of sums over pixels, the errors of which add up like a random walk.
  const double walk = std::sqrt(static_cast<double>(p.c.taps * p.c.taps * p.c.channels));
  EXPECT_TRUE(test::all_close(got.dscale, want.dscale, 4 * walk * for_pixels, relative));
}

void expect_data_gradient(const Problem& p) {
  const Floats got = test::conv_data_gradient_on_device<float>(p);
  const double tolerance = sum_tolerance(p.c.taps * p.c.taps * p.c.filters);
  EXPECT_TRUE(test::all_close(got, backward_on_cpu<double>(p).dx, tolerance, 1e-6));
  EXPECT_TRUE(test::all_close(got, backward_on_cpu<float>(p).dx, 2 * tolerance, 2e-6));
}

void expect_backward(const Problem& p) {
  const Gradients got = backward_on_device(p);
  expect_gradients<double>(p, got, 1);
  expect_gradients<float>(p, got, 2);
}

// One pixel; channels that are and are not quads, one, and those of the stem; maps smaller than
// the filter; strides that leave pixels over, of 3 too; padding past the filter; filters without
// padding; narrow outputs; sums that are cut.
class Conv2dCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Conv2dCuda,
    testing::Values(Case{1, 1, 1, 1, 1, 1, 1, 0}, Case{2, 5, 4, 3, 5, 3, 1, 1},
                    Case{1, 7, 6, 16, 17, 3, 2, 1}, Case{2, 9, 11, 3, 8, 7, 2, 3},
                    Case{1, 4, 6, 33, 31, 1, 1, 0}, Case{2, 5, 7, 32, 48, 1, 2, 0},
                    Case{1, 2, 3, 16, 16, 3, 1, 1}, Case{1, 6, 5, 4, 2, 3, 1, 0},
                    Case{3, 8, 10, 64, 3, 1, 1, 0}, Case{1, 13, 18, 24, 40, 3, 1, 1},
                    Case{1, 3, 3, 2, 2, 5, 3, 2}, Case{1, 1, 1, 32, 32, 3, 1, 1},
                    Case{2, 7, 5, 20, 68, 3, 1, 0}, Case{1, 6, 9, 8, 20, 3, 1, 2},
                    Case{1, 17, 16, 1, 3, 1, 2, 0}, Case{1, 7, 9, 6, 5, 1, 3, 0},
                    Case{1, 4, 4, 4, 4, 2, 3, 1}, Case{2, 24, 23, 4, 6, 3, 1, 1},
                    Case{1, 5, 6, 72, 20, 3, 1, 1}, Case{2, 23, 25, 8, 20, 1, 1, 0},
                    Case{1, 6, 6, 20, 600, 1, 1, 0}));

TEST_P(Conv2dCuda, ForwardAgreesWithTheCpuForEveryEpilogue) {
  KT_NEEDS_GPU();
  for (unsigned parts = 0; parts < 16; ++parts) {
    SCOPED_TRACE(parts);
    expect_forward(Problem(GetParam(), parts));
  }
}

TEST_P(Conv2dCuda, GradientsAgreeWithTheCpu) {
  KT_NEEDS_GPU();
  expect_backward(Problem(GetParam(), 0));
  expect_backward(Problem(GetParam(), kScale));
}

TEST_P(Conv2dCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const Problem p(GetParam(), kScale | kShift | kResidual | kRelu);
  const Floats y = test::conv_forward_on_device<float>(p);
  const Gradients first = backward_on_device(p);
  for (const std::int64_t offset : {0, 1}) {
    EXPECT_TRUE(test::same_bits(test::conv_forward_on_device<float>(p, offset), y));
    const Gradients again = backward_on_device(p, offset);
    EXPECT_TRUE(test::same_bits(again.dx, first.dx));
    EXPECT_TRUE(test::same_bits(again.dw, first.dw));
    EXPECT_TRUE(test::same_bits(again.dscale, first.dscale));
  }
}

// Each has as many tiles as the plan wants before it takes large ones, and some slices of k.
TEST(Conv2dCudaLarge, ForwardWithLargeTiles) {
  KT_NEEDS_GPU();
  const Problem p({1, 131, 129, 4, 68, 3, 1, 1}, kScale | kShift | kResidual | kRelu);
  ASSERT_EQ(plan_product(0, {131 * 129, 68, 36}).tile, ProductTile::kLarge);
  expect_forward(p);
}

TEST(Conv2dCudaLarge, DataGradientWithLargeTiles) {
  KT_NEEDS_GPU();
  ASSERT_EQ(plan_product(0, {131 * 129, 68, 36}).tile, ProductTile::kLarge);
  expect_data_gradient(Problem({1, 131, 129, 68, 4, 3, 1, 1}, kScale));
  expect_data_gradient(Problem({1, 130, 131, 68, 3, 3, 2, 1}, 0));
}

TEST(Conv2dCudaLarge, WeightGradientWithLargeTiles) {
  KT_NEEDS_GPU();
  ASSERT_EQ(plan_product(0, {66, 9 * 1880, 20}).tile, ProductTile::kLarge);
  expect_backward(Problem({1, 4, 5, 1880, 66, 3, 1, 1}, kScale));
}

TEST(Conv2dCuda, NothingGivesZeroGradientsAndTheEpilogue) {
  KT_NEEDS_GPU();
  const Gradients no_images = backward_on_device(Problem({0, 4, 4, 3, 2, 3, 1, 1}, kScale));
  EXPECT_THAT(no_images.dw, testing::Each(0.0f));
  EXPECT_THAT(no_images.dscale, testing::Each(0.0f));
  const Problem no_channels({2, 4, 4, 0, 3, 3, 1, 1}, kShift | kRelu);
  expect_forward(no_channels);
  EXPECT_THAT(backward_on_device(Problem({2, 4, 4, 0, 3, 3, 1, 1}, kScale)).dscale,
              testing::Each(0.0f));
  EXPECT_THAT(backward_on_device(Problem({2, 2, 2, 3, 4, 5, 1, 0}, 0)).dx, testing::Each(0.0f));
}

TEST(Conv2dCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> m(2000);
  const Nhwc<const float> x{m.data(), 1, 4, 4, 3};
  const Krsc<const float> w{m.data(), 2, 3, 3, 3};
  const auto forward = [&](Nhwc<float> y, Span<const float> scale, const Conv2dOptions& options) {
    return test::message_of([&] {
      cuda::conv2d_forward<float>(stream.get(), x, w, {scale, {}, {}}, {}, y, options);
    });
  };
  EXPECT_THAT(forward({m.data(), 1, 4, 4, 2}, {}, {}),
              testing::HasSubstr("conv2d_forward: y is 1x4x4x2, wanted 1x2x2x2"));
  EXPECT_THAT(forward({m.data(), 1, 4, 4, 2}, {m.data(), 3}, {.pad = 1}),
              testing::HasSubstr("scale has 3 elements, wanted 2 or none"));
  EXPECT_THAT(forward({m.data(), 1, 4, 4, 2}, {}, {.pad = 1, .engine = ConvEngine::kWinograd}),
              testing::HasSubstr("on CUDA there is the engine auto alone"));
  EXPECT_THAT(test::message_of([&] {
                cuda::conv2d_backward_weights<float>(stream.get(), x, {m.data(), 1, 4, 4, 2}, {},
                                                     {}, {m.data(), 2, 3, 3, 3}, {m.data(), 2}, {},
                                                     {.pad = 1});
              }),
              testing::HasSubstr("dscale is asked for without a scale"));
}

}  // namespace
}  // namespace ktrain
