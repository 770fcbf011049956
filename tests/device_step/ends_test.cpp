// What a walk lets ops take over (InputEnd) changes no bit on a GPU either.
#include <gtest/gtest.h>

#include "kernels/product_plan.h"
#include "runtime/autograd.h"
#include "runtime/ops.h"
#include "tests/support/tape.h"

namespace ktrain::test {
namespace {

// Two layers with ReLU, the first one's mask taken over by the second, or not: convolutions of maps
// or linear layers of rows, so many of them that sums over them are cut into runs.
struct Layers {
  ContextPtr context = make_cuda_context(64 << 20);
  bool linear;
  Tensor x, w, v, shift;

  explicit Layers(bool linear_)
      : linear(linear_),
        x(random_leaf(context, linear ? Shape{1600, 72} : Shape{1, 40, 40, 8}, 1)),
        w(random_leaf(context, linear ? Shape{72, 72} : Shape{8, 3, 3, 8}, 2)),
        v(random_leaf(context, linear ? Shape{8, 72} : Shape{8, 3, 3, 8}, 3)),
        shift(random_leaf(context, {linear ? 72 : 8}, 4)) {}

  [[nodiscard]] Tensor operator()(DType maps) const {
    if (linear)
      return ktrain::linear(ktrain::linear(cast(x, maps), w, shift, true), v, Tensor(), true);
    const Conv2dOptions options{.pad = 1, .relu = true};
    return conv2d(conv2d(cast(x, maps), w, {.shift = shift}, options), v, {}, options);
  }
};

std::vector<std::vector<float>> gradients_with(bool linear, DType maps, bool takeovers) {
  const Layers layers(linear);
  const Tensor y = layers(maps);
  const CotangentSet set = {cast(random_leaf(layers.context, y.shape(), 5).detached(), maps)};
  const std::vector<Tensor> wrt = {layers.x, layers.w, layers.v, layers.shift};
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
  for (const bool linear : {false, true})
    for (const DType maps : {DType::kF32, DType::kBf16})
      EXPECT_EQ(gradients_with(linear, maps, true), gradients_with(linear, maps, false))
          << name(maps) << (linear ? " rows" : " maps");
}

}  // namespace
}  // namespace ktrain::test
