// The gradient of a convolution's shift and of a linear layer's bias: who takes it, and that it has
// the same bits either way.
#include <gtest/gtest.h>

#include "kernels/profile.h"
#include "runtime/autograd.h"
#include "runtime/ops.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

Tensor random_leaf(const ContextPtr& context, const Shape& shape, unsigned seed) {
  const test::Vec values = test::random_vec(static_cast<std::size_t>(shape.size()), seed);
  const std::vector<float> floats(values.begin(), values.end());
  Tensor leaf = Tensor::from<float>(context, shape, floats);
  leaf.set_requires_grad(true);
  return leaf;
}

struct Layer {
  ContextPtr context = make_cpu_context();
  Profile profile;
  Tensor x = random_leaf(context, {2, 17, 16, 8}, 1), w = random_leaf(context, {8, 3, 3, 8}, 2),
         shift = random_leaf(context, {8}, 3);

  // The shift's gradient, that of w beside it where it is wanted.
  std::vector<float> gradient(DType maps, OutputType output, bool relu, bool with_w) {
    const Tensor y =
        conv2d(cast(x.detached(), maps), w, {.shift = shift}, {.pad = 1, .relu = relu}, output);
    const Tensor dy = cast(random_leaf(context, y.shape(), 4).detached(), y.dtype());
    std::vector<Tensor> wrt = {shift};
    if (with_w) wrt.push_back(w);
    context->queue.profile = &profile;
    profile.clear();
    const std::vector<float> sums =
        gradients({&y, 1}, {&dy, 1}, {wrt.data(), wrt.size()})[0].to_vector<float>();
    context->queue.profile = nullptr;
    return sums;
  }
  [[nodiscard]] std::int64_t passes() const {
    const auto entry = profile.entries().find("bias_relu_backward");
    return entry == profile.entries().end() ? 0 : entry->second.calls;
  }
};

TEST(ShiftGradient, IsTheWeightGradientsWhereBothAreWanted) {
  for (const DType maps : {DType::kF32, DType::kBf16}) {
    Layer layer;
    const auto along = layer.gradient(maps, OutputType::kAsInput, false, true);
    EXPECT_EQ(layer.passes(), 0);
    EXPECT_EQ(layer.gradient(maps, OutputType::kAsInput, false, false), along);
    EXPECT_EQ(layer.passes(), 1);
  }
}

TEST(ShiftGradient, LeavesThePassWithTheMaskAlone) {
  for (const DType maps : {DType::kF32, DType::kBf16}) {
    Layer layer;
    const auto along = layer.gradient(maps, OutputType::kAsInput, true, true);
    EXPECT_EQ(layer.passes(), 1);
    EXPECT_EQ(layer.gradient(maps, OutputType::kAsInput, true, false), along);
    EXPECT_EQ(layer.passes(), 1);
  }
}

// What is rounded for the weight gradient is summed before.
TEST(ShiftGradient, OfFloatsBesideBf16IsTakenBeforeTheyAreRounded) {
  Layer layer;
  const auto sums = layer.gradient(DType::kBf16, OutputType::kFloat, false, true);
  EXPECT_EQ(layer.passes(), 1);
  EXPECT_EQ(layer.gradient(DType::kF32, OutputType::kFloat, false, true), sums);
  EXPECT_EQ(layer.passes(), 0);
}

// A linear layer's bias, likewise.
TEST(ShiftGradient, OfALinearLayerIsTheWeightGradients) {
  for (const DType rows : {DType::kF32, DType::kBf16})
    for (const OutputType output : {OutputType::kAsInput, OutputType::kFloat})
      for (const bool relu : {false, true}) {
        Layer layer;
        const ContextPtr& c = layer.context;
        const Tensor x = cast(random_leaf(c, {70, 16}, 5).detached(), rows),
                     w = random_leaf(c, {8, 16}, 6), y = linear(x, w, layer.shift, relu, output),
                     dy = cast(random_leaf(c, y.shape(), 7).detached(), y.dtype());
        const auto sums = [&](std::vector<Tensor> wrt) {
          layer.profile.clear();
          return gradients({&y, 1}, {&dy, 1}, wrt)[0].to_vector<float>();
        };
        c->queue.profile = &layer.profile;
        const auto along = sums({layer.shift, w});
        // A pass for the ReLU, which takes the sum on the CPU, or for a sum before a rounding.
        EXPECT_EQ(layer.passes(), relu || rows != y.dtype() ? 1 : 0);
        EXPECT_EQ(sums({layer.shift}), along);
        EXPECT_EQ(layer.passes(), 1);
        c->queue.profile = nullptr;
      }
}

// Of a group, where the members share filters and shifts alike.
TEST(ShiftGradient, OfAGroupIsTheWeightGradients) {
  for (const std::size_t filters : {1u, 2u})
    for (const std::size_t shifts : {1u, 2u}) {
      Layer layer;
      const ContextPtr& c = layer.context;
      const std::vector<Tensor> xs = {layer.x.detached(),
                                      random_leaf(c, {2, 5, 6, 8}, 5).detached()};
      std::vector<Tensor> ws = {layer.w}, shift = {layer.shift};
      if (filters == 2) ws.push_back(random_leaf(c, {8, 3, 3, 8}, 6));
      if (shifts == 2) shift.push_back(random_leaf(c, {8}, 7));
      const std::vector<Tensor> ys = conv2d_group(xs, ws, {.shifts = shift}, {.pad = 1});
      std::vector<Tensor> dys;
      for (const Tensor& y : ys) dys.push_back(random_leaf(c, y.shape(), 8).detached());
      const auto sums = [&](bool with_ws) {
        std::vector<Tensor> wrt = shift;
        if (with_ws) wrt.insert(wrt.end(), ws.begin(), ws.end());
        layer.profile.clear();
        const std::vector<Tensor> all = gradients(ys, dys, wrt);
        std::vector<std::vector<float>> values;
        for (std::size_t i = 0; i < shifts; ++i) values.push_back(all[i].to_vector<float>());
        return values;
      };
      c->queue.profile = &layer.profile;
      const auto along = sums(true);
      EXPECT_EQ(layer.passes(), filters == shifts ? 0 : 2);
      EXPECT_EQ(sums(false), along);
      EXPECT_EQ(layer.passes(), 2);
      c->queue.profile = nullptr;
    }
}

}  // namespace
}  // namespace ktrain
