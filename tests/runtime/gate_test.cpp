#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "tests/support/close.h"

namespace ktrain {
namespace {

TEST(GateOp, SendsGradientsOnlyWhereTheyAreWanted) {
  const ContextPtr context = make_cpu_context();
  context->poison = true;
  const auto make = [&](std::vector<float> values) {
    return Tensor::from<float>(context, {2}, values);
  };
  Tensor z = make({0, 0}), a = make({1, 2}), b = make({3, 6});
  const Tensor dy = make({10, 100});
  z.set_requires_grad(true);
  b.set_requires_grad(true);
  const Tensor y = gate(z, a, b);
  EXPECT_THAT(y.to_vector<float>(), testing::ElementsAre(2, 4));
  const std::vector<Tensor> wrt = {z, a, b};
  const auto got = gradients({&y, 1}, {&dy, 1}, wrt);
  EXPECT_THAT(got[0].to_vector<float>(), testing::ElementsAre(-5, -100));  // (a - b) / 4 * dy
  EXPECT_FALSE(got[1].defined());
  EXPECT_THAT(got[2].to_vector<float>(), testing::ElementsAre(5, 50));
}

TEST(GateOp, RefusesShapesThatDiffer) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = Tensor::zeros(context, {2, 3}), y = Tensor::zeros(context, {3, 2});
  EXPECT_THAT([&] { (void)gate(x, x, y); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("z is 2x3, a is 2x3, b is 3x2")));
}

TEST(ImageNormalizeOp, ReadsBytesAndSizes) {
  const ContextPtr context = make_cpu_context();
  const std::vector<std::uint8_t> bytes = {10, 20, 30, 40, 50, 60};
  const Tensor x = Tensor::from<std::uint8_t>(context, {1, 1, 2, 3}, bytes);
  const std::vector<std::int32_t> size = {1, 1};
  const Tensor y = image_normalize(x, Tensor::from<std::int32_t>(context, {1, 2}, size),
                                   {{0, 10, 20}, {10, 5, 2}});
  EXPECT_THAT(y.to_vector<float>(), testing::ElementsAre(1, 2, 5, 0, 0, 0));
  EXPECT_FALSE(y.requires_grad());
}

}  // namespace
}  // namespace ktrain
