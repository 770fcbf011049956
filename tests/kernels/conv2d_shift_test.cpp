// The gradient of a convolution's shift, taken along with that of its filters: the bits of the pass
// of its own, and the filters' gradients as without it.
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/bias_relu.h"
#include "kernels/conv2d.h"
#include "tests/support/close.h"
#include "tests/support/conv_problem.h"
#include "tests/support/message.h"
#include "tests/support/product_bound.h"

namespace ktrain {
namespace {

using test::mutable_span;
using test::span;
using Case = test::ConvCase;
using Problem = test::ConvProblem;

template <class T>
std::vector<T> values_of(const std::vector<float>& values) {
  if constexpr (std::is_same_v<T, Bfloat16>)
    return test::as_bf16(values);
  else
    return test::cast<T>(values);
}

template <class T>
struct Gradients {
  std::vector<T> dw, dscale, dshift;
};

template <class T>
Gradients<Wide<T>> gradients(const Problem& p, bool with_shift) {
  const auto x = values_of<T>(p.x), w = values_of<T>(p.w), g = values_of<T>(p.g);
  const auto scale = test::cast<Wide<T>>(p.scale);
  Gradients<Wide<T>> out{
      std::vector<Wide<T>>(w.size()), std::vector<Wide<T>>(scale.size()),
      std::vector<Wide<T>>(with_shift ? static_cast<std::size_t>(p.c.filters) : 0, NAN)};
  const auto in = p.in<const T>(x.data());
  const auto from = p.out<const T>(g.data());
  const auto to = p.krsc(out.dw.data());
  std::vector<Wide<T>> workspace(static_cast<std::size_t>(
      cpu::conv2d_backward_weights_workspace<T>(in, from, to, span(out.dshift), p.options)));
  cpu::conv2d_backward_weights<T>(in, from, {p.krsc<const T>(w.data()), span(scale)},
                                  mutable_span(workspace), to, mutable_span(out.dscale),
                                  mutable_span(out.dshift), p.options);
  return out;
}

template <class T>
std::vector<Wide<T>> in_a_pass(const Problem& p) {
  const auto g = values_of<T>(p.g);
  const std::int64_t pixels = p.c.batch * p.out_height * p.out_width;
  std::vector<Wide<T>> sums(static_cast<std::size_t>(p.c.filters));
  std::vector<Wide<T>> workspace(
      static_cast<std::size_t>(cpu::bias_relu_backward_workspace(pixels, p.c.filters)));
  cpu::bias_relu_backward<T>({}, {g.data(), pixels, p.c.filters}, mutable_span(workspace), {},
                             mutable_span(sums));
  return sums;
}

template <class T>
void expect_bits_of_the_pass(const Problem& p) {
  const auto with = gradients<T>(p, true), without = gradients<T>(p, false);
  EXPECT_EQ(with.dshift, in_a_pass<T>(p));
  EXPECT_EQ(with.dw, without.dw);
  EXPECT_EQ(with.dscale, without.dscale);
}

// One pixel; odd channels; strides; a filter of one tap; more pixels than a chunk of the pass; no
// channels and no images.
class Conv2dShift : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, Conv2dShift,
                         testing::Values(Case{1, 1, 1, 1, 1, 1, 1, 0}, Case{2, 5, 4, 3, 5, 3, 1, 1},
                                         Case{1, 7, 6, 16, 17, 3, 2, 1},
                                         Case{3, 8, 10, 64, 3, 1, 1, 0},
                                         Case{2, 24, 23, 32, 32, 3, 1, 1},
                                         Case{2, 4, 4, 0, 3, 3, 1, 1},
                                         Case{0, 4, 4, 3, 2, 3, 1, 1}));

TEST_P(Conv2dShift, HasTheBitsOfAPassOfItsOwn) {
  for (const unsigned parts : {0u, unsigned{test::kScale}}) {
    const Problem p(GetParam(), parts);
    expect_bits_of_the_pass<float>(p);
    expect_bits_of_the_pass<double>(p);
    expect_bits_of_the_pass<Bfloat16>(p);
  }
}

TEST(Conv2dShift, OfAnotherSizeIsRefused) {
  const Problem p({1, 4, 4, 3, 2, 3, 1, 1}, 0);
  std::vector<float> dw(p.w.size()), dshift(3);
  EXPECT_THAT(test::message_of([&] {
                cpu::conv2d_backward_weights<float>(p.in(p.x.data()), p.out(p.g.data()), {}, {},
                                                    p.krsc(dw.data()), {}, mutable_span(dshift),
                                                    p.options);
              }),
              testing::HasSubstr("dshift has 3 elements, wanted 2 or none"));
}

}  // namespace
}  // namespace ktrain
