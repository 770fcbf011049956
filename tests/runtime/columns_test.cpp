#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/ops.h"

namespace ktrain {
namespace {

using testing::ElementsAre;

TEST(ConcatColumns, JoinsMapsOfAnyShapePerImageAndSplitsGradients) {
  const ContextPtr context = make_cpu_context();
  context->poison = true;
  const std::vector<float> a_values = {1, 2, 3, 4}, b_values = {5, 6}, weights = {1, 2, 3, 4, 5, 6};
  Tensor a = Tensor::from<float>(context, {2, 1, 2, 1}, a_values);
  Tensor b = Tensor::from<float>(context, {2, 1, 1, 1}, b_values);
  a.set_requires_grad(true);
  const Tensor y = concat_columns({a, b});
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(1, 2, 5, 3, 4, 6));
  const Tensor dy = Tensor::from<float>(context, {2, 3}, weights);
  const std::vector<Tensor> wrt = {a, b};
  const auto got = gradients({&y, 1}, {&dy, 1}, wrt);
  EXPECT_EQ(got[0].shape(), a.shape());
  EXPECT_THAT(got[0].to_vector<float>(), ElementsAre(1, 2, 4, 5));
  EXPECT_FALSE(got[1].defined());
}

TEST(ConcatColumns, RefusesPartsOfAnotherBatch) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = Tensor::zeros(context, {2, 3}), y = Tensor::zeros(context, {3, 2});
  EXPECT_THAT(
      [&] {
        (void)concat_columns({x, y});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("parts are 2x3 and 3x2")));
}

TEST(TakeChannels, CopiesARunAndPutsItsGradientBack) {
  const ContextPtr context = make_cpu_context();
  context->poison = true;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6}, weights = {7, 8, 9, 10};
  Tensor x = Tensor::from<float>(context, {2, 1, 1, 3}, values);
  x.set_requires_grad(true);
  const Tensor y = take_channels(x, 1, 2);
  EXPECT_EQ(y.shape(), (Shape{2, 1, 1, 2}));
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(2, 3, 5, 6));
  const Tensor dy = Tensor::from<float>(context, y.shape(), weights);
  EXPECT_THAT(gradients({&y, 1}, {&dy, 1}, {&x, 1})[0].to_vector<float>(),
              ElementsAre(0, 7, 8, 0, 9, 10));
  EXPECT_THAT(
      [&] { (void)take_channels(x, 2, 2); },
      testing::ThrowsMessage<Error>(testing::HasSubstr("x is 2x1x1x3, wanted 2 channels from 2")));
}

}  // namespace
}  // namespace ktrain
