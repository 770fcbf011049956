// The end of a data gradient on CUDA: what is added and masked as it is written has the bits of
// separate passes over the gradient that the same kernel writes without.
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/conv2d.h"
#include "tests/support/conv_device.h"
#include "tests/support/cuda.h"
#include "tests/support/gradient_end.h"
#include "tests/support/message.h"
#include "tests/support/product_bound.h"
#include "tests/support/wgmma.h"

namespace ktrain {
namespace {

using Case = test::ConvCase;
using Problem = test::ConvProblem;
using Floats = std::vector<float>;

template <class T>
struct End {
  std::vector<T> add, positive;
  unsigned parts;

  End(const Problem& p, unsigned parts_)
      : add(test::values_of<T>(test::random_floats(static_cast<std::int64_t>(p.x.size()), 7))),
        positive(test::values_of<T>(test::random_floats(static_cast<std::int64_t>(p.x.size()), 8))),
        parts(parts_) {
    test::plant_borders(positive);
  }
};

template <class T>
std::vector<T> gradient(const Problem& p, const End<T>& e, std::int64_t offset = 0) {
  const std::vector<T> none;
  return test::conv_data_gradient_on_device<T>(p, offset, e.parts & test::kAdd ? e.add : none,
                                               e.parts & test::kPositive ? e.positive : none);
}

template <class T>
void expect_ends(const Problem& p, std::int64_t offset = 0) {
  const std::vector<T> plain = gradient(p, End<T>(p, 0), offset);
  for (const unsigned parts : {1u, 2u, 3u}) {
    SCOPED_TRACE(parts);
    const End<T> end(p, parts);
    const std::vector<T> want = test::with_end(plain, end.add, end.positive, parts);
    EXPECT_TRUE(test::same_bits(gradient(p, end, offset), want));
  }
}

// One pixel; channels that are no quads; strides whose pixels are written by several products and
// pixels that no tap reaches; 1x1; sums that are cut and added by another kernel; large tiles.
class Conv2dEnd : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Conv2dEnd,
    testing::Values(Case{1, 1, 1, 1, 1, 1, 1, 0}, Case{2, 5, 4, 3, 5, 3, 1, 1},
                    Case{1, 7, 6, 16, 17, 3, 2, 1}, Case{2, 5, 7, 32, 48, 1, 2, 0},
                    Case{1, 7, 9, 6, 5, 1, 3, 0}, Case{1, 4, 6, 33, 31, 1, 1, 0},
                    Case{2, 9, 7, 64, 64, 3, 1, 1}, Case{1, 6, 6, 20, 600, 1, 1, 0},
                    Case{1, 3, 4, 64, 512, 3, 1, 1}));

TEST_P(Conv2dEnd, OfFloatsHasTheBitsOfSeparatePasses) {
  KT_NEEDS_GPU();
  const Problem p(GetParam(), test::kScale);
  expect_ends<float>(p);
  expect_ends<float>(p, 1);
}

TEST_P(Conv2dEnd, OfFloatsOnTensorCores) {
  KT_NEEDS_GPU();
  Problem p(GetParam(), 0);
  p.options.precision = Precision::kTf32;
  expect_ends<float>(p);
}

TEST_P(Conv2dEnd, OfBf16) {
  KT_NEEDS_GPU();
  const Problem p(GetParam(), test::kScale);
  for (const bool allowed : {false, true}) {
    const test::WgmmaSetting wgmma(allowed);
    expect_ends<Bfloat16>(p);
    expect_ends<Bfloat16>(p, 1);
  }
}

TEST(Conv2dEndErrors, AreNamed) {
  const Problem p({1, 4, 4, 4, 4, 3, 1, 1}, 0);
  Floats g(p.g.size()), w(p.w.size()), dx(p.x.size()), other(p.x.size());
  const auto message = [&](const GradientEnd<float>& end) {
    return test::message_of([&] {
      cuda::conv2d_backward_data<float>(nullptr, p.out<const float>(g.data()),
                                        p.krsc<const float>(w.data()), {}, {}, p.in(dx.data()),
                                        p.options, end);
    });
  };
  const Span<const float> wrong{other.data(), 32};
  EXPECT_THAT(message({wrong, {}}),
              testing::HasSubstr("conv2d_backward_data: add has 32 elements, dx 64"));
  EXPECT_THAT(message({{}, wrong}),
              testing::HasSubstr("conv2d_backward_data: positive has 32 elements, dx 64"));
}

}  // namespace
}  // namespace ktrain
