#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "tests/support/close.h"

namespace ktrain {
namespace {

TEST(SoftmaxOp, TiesTheBackwardPass) {
  const ContextPtr context = make_cpu_context();
  context->poison = true;
  const std::vector<float> values = {0, 0}, cotangent = {1, 3};
  Tensor x = Tensor::from<float>(context, {1, 2}, values);
  x.set_requires_grad(true);
  const Tensor y = softmax(x), dy = Tensor::from<float>(context, {1, 2}, cotangent);
  EXPECT_THAT(y.to_vector<float>(), testing::ElementsAre(0.5f, 0.5f));
  const auto got = gradients({&y, 1}, {&dy, 1}, {&x, 1});
  EXPECT_THAT(got[0].to_vector<float>(), testing::ElementsAre(-0.5f, 0.5f));
}

}  // namespace
}  // namespace ktrain
