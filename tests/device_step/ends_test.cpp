// What a walk lets ops take over (InputEnd) changes no bit on a GPU either.
#include <gtest/gtest.h>

#include "kernels/product_plan.h"
#include "runtime/autograd.h"
#include "runtime/ops.h"
#include "tests/support/tape.h"

namespace ktrain::test {
namespace {

// Two convolutions with ReLU, the first one's mask taken over by the second, or not. Maps of so
// many pixels that sums over them are cut into runs.
std::vector<std::vector<float>> gradients_with(DType maps, bool takeovers) {
  const ContextPtr context = make_cuda_context(64 << 20);
  const Tensor x = random_leaf(context, {1, 40, 40, 8}, 1),
               w = random_leaf(context, {8, 3, 3, 8}, 2), v = random_leaf(context, {8, 3, 3, 8}, 3),
               shift = random_leaf(context, {8}, 4);
  const Conv2dOptions options{.pad = 1, .relu = true};
  const Tensor inner = conv2d(cast(x, maps), w, {.shift = shift}, options),
               y = conv2d(inner, v, {}, options);
  const CotangentSet set = {cast(random_leaf(context, y.shape(), 5).detached(), maps)};
  const std::vector<Tensor> wrt = {x, w, v, shift};
  MultiWalk walk;
  walk.outputs = {&y, 1};
  walk.sets = {&set, 1};
  walk.wrt = wrt;
  walk.takeovers = takeovers;
  std::vector<std::vector<float>> all;
  for (const Tensor& gradient : multi_gradients(walk))
    all.push_back(cast(gradient, DType::kF32).to_vector<float>());
  return all;
}

TEST(DeviceEnds, AShiftsGradientDoesNotDependOnWhoDoesTheMask) {
  ASSERT_GT(plan_product(0, {8, 72, 1600}).splits, 1);
  for (const DType maps : {DType::kF32, DType::kBf16})
    EXPECT_EQ(gradients_with(maps, true), gradients_with(maps, false)) << name(maps);
}

}  // namespace
}  // namespace ktrain::test
