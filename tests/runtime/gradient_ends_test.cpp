// What a walk lets ops take over of it (InputEnd): fewer kernels, the same bits.
#include <gtest/gtest.h>

#include "kernels/profile.h"
#include "runtime/autograd.h"
#include "runtime/ops.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

Tensor random_tensor(const ContextPtr& context, const Shape& shape, unsigned seed) {
  const test::Vec values = test::random_vec(static_cast<std::size_t>(shape.size()), seed);
  const std::vector<float> floats(values.begin(), values.end());
  return Tensor::from<float>(context, shape, floats);
}

// Two residual blocks of 3x3 convolutions with ReLUs, the second with a strided 1x1 branch: results
// with one user and with two, of one op and of several.
struct Blocks {
  ContextPtr context = make_cpu_context();
  Profile profile;
  std::vector<Tensor> weights;
  Tensor x, bias;
  DType dtype;

  explicit Blocks(DType of_maps) : dtype(of_maps) {
    x = random_tensor(context, {2, 7, 6, 8}, 1);
    for (unsigned i = 0; i < 4; ++i) weights.push_back(random_tensor(context, {8, 3, 3, 8}, 2 + i));
    weights.push_back(random_tensor(context, {8, 1, 1, 8}, 9));
    weights.push_back(random_tensor(context, {8, 3, 3, 8}, 12));
    bias = random_tensor(context, {8}, 10);
    x.set_requires_grad(true), bias.set_requires_grad(true);
    for (Tensor& w : weights) w.set_requires_grad(true);
    context->queue.profile = &profile;
  }

  [[nodiscard]] std::vector<Tensor> leaves() const {
    std::vector<Tensor> all = weights;
    all.push_back(x), all.push_back(bias);
    return all;
  }

  // `middle` becomes the result of the first block.
  Tensor operator()(Tensor* middle = nullptr) {
    const Conv2dOptions relu{.stride = 1, .pad = 1, .relu = true},
        strided{.stride = 2, .pad = 1, .relu = true};
    const Tensor first = conv2d(cast(x, dtype), weights[0], {.shift = bias}, relu),
                 inner = conv2d(first, weights[5], {.shift = bias}, relu),
                 second = conv2d(inner, weights[1], {.shift = bias, .residual = first}, relu),
                 third = conv2d(second, weights[2], {.shift = bias}, strided),
                 branch = conv2d(second, weights[4], {}, {.stride = 2, .pad = 0}),
                 fourth = conv2d(third, weights[3], {.shift = bias, .residual = branch}, relu);
    if (middle) *middle = second;
    return cast(fourth, DType::kF32);
  }

  std::int64_t calls(const std::string& kernel) const {
    const auto entry = profile.entries().find(kernel);
    return entry == profile.entries().end() ? 0 : entry->second.calls;
  }
};

std::vector<Tensor> gradients_of(const Blocks& blocks, std::span<const Tensor> wrt, const Tensor& y,
                                 bool takeovers) {
  const CotangentSet set = {random_tensor(blocks.context, y.shape(), 11)};
  MultiWalk multi;
  multi.outputs = {&y, 1};
  multi.sets = {&set, 1};
  multi.wrt = wrt;
  multi.takeovers = takeovers;
  return multi_gradients(multi);
}

struct Walked {
  std::vector<std::vector<float>> gradients;
  std::int64_t masks = 0, sums = 0;  // kernels of their own
};

Walked walk(Blocks& blocks, const std::vector<Tensor>& wrt, const Tensor& y, bool takeovers) {
  blocks.profile.clear();
  Walked result;
  for (const Tensor& gradient : gradients_of(blocks, wrt, y, takeovers))
    result.gradients.push_back(gradient.to_vector<float>());
  result.masks = blocks.calls("bias_relu_backward");
  result.sums = blocks.calls("accumulate") + blocks.calls("add");
  return result;
}

class GradientEnds : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Maps, GradientEnds, testing::Values(DType::kF32, DType::kBf16));

TEST_P(GradientEnds, HaveTheBitsOfAWalkWithout) {
  Blocks blocks(GetParam());
  const Tensor y = blocks();
  const Walked with = walk(blocks, blocks.leaves(), y, true),
               without = walk(blocks, blocks.leaves(), y, false);
  EXPECT_EQ(with.gradients, without.gradients);
  // `first` and `second` each get a sum from the convolution that hands to them last; the sums of
  // `bias` stay.
  EXPECT_EQ(without.sums - with.sums, 2);
  // What each adds to the gradient of `bias` its weight gradient takes along.
  EXPECT_EQ(without.masks, 5);
  EXPECT_EQ(with.masks, 1);
}

// Nothing is left of the ReLUs but the first to be met.
TEST_P(GradientEnds, LeaveOneMaskOfFive) {
  Blocks blocks(GetParam());
  blocks.bias.set_requires_grad(false);
  std::vector<Tensor> wrt = blocks.weights;
  const Tensor y = blocks();
  const Walked with = walk(blocks, wrt, y, true), without = walk(blocks, wrt, y, false);
  EXPECT_EQ(with.gradients, without.gradients);
  EXPECT_EQ(without.masks, 5);
  EXPECT_EQ(with.masks, 1);
}

// Somebody asks for the gradient of a ReLU's result: it is the one before the ReLU's mask.
TEST_P(GradientEnds, KeepWhatIsAskedForWhole) {
  Blocks blocks(GetParam());
  Tensor middle;
  const Tensor y = blocks(&middle);
  std::vector<Tensor> wrt = {middle, blocks.weights[0]};
  const auto values = [&](bool takeovers) {
    const std::vector<Tensor> found = gradients_of(blocks, wrt, y, takeovers);
    return std::pair(cast(found[0], DType::kF32).to_vector<float>(), found[1].to_vector<float>());
  };
  const auto with = values(true);
  EXPECT_EQ(with, values(false));
  const std::vector<float> result = cast(middle, DType::kF32).to_vector<float>();
  bool some_where_it_is_zero = false;
  for (std::size_t i = 0; i < result.size(); ++i)
    some_where_it_is_zero |= result[i] <= 0 && with.first[i] != 0;
  EXPECT_TRUE(some_where_it_is_zero);
}

// A gradient of another shape is told by whoever adds to it.
TEST(GradientEndsOfAnotherShape, AreRefused) {
  const ContextPtr context = make_cpu_context();
  Tensor x = random_tensor(context, {6, 4}, 1);
  x.set_requires_grad(true);
  const Tensor w = random_tensor(context, {3, 4}, 2), rows = relu(x),
               first = linear(rows, w, Tensor()),
               wrong = record("wrong", {rows}, Tensor::zeros(context, {1}),
                              [&](const Tensor&, const Wanted&) {
                                return std::vector<Tensor>{random_tensor(context, {4, 6}, 3)};
                              });
  const std::vector<Tensor> outputs = {first, wrong};
  const CotangentSet set = {random_tensor(context, {6, 3}, 4), random_tensor(context, {1}, 5)};
  const std::vector<Tensor> wrt = {x};
  for (const bool takeovers : {false, true}) {
    MultiWalk walk;
    walk.outputs = outputs;
    walk.sets = {&set, 1};
    walk.wrt = wrt;
    walk.takeovers = takeovers;
    EXPECT_THROW((void)multi_gradients(walk), Error) << takeovers;
  }
}

// An end that is offered for one input says nothing of another, which has none.
TEST(GradientEndsOfALeaf, AreTheWalks) {
  const ContextPtr context = make_cpu_context();
  Tensor x = random_tensor(context, {1, 5, 4, 8}, 1), w = random_tensor(context, {8, 3, 3, 8}, 2),
         v = random_tensor(context, {8, 1, 1, 8}, 3);
  for (Tensor* const t : {&x, &w, &v}) t->set_requires_grad(true);
  const Tensor first = conv2d(x, relu(w), {}, {.stride = 1, .pad = 1}),
               second = conv2d(x, v, {.residual = first}, {});
  const Tensor dy = random_tensor(context, second.shape(), 4);
  std::vector<std::vector<std::vector<float>>> found;
  for (const bool takeovers : {false, true}) {
    const CotangentSet set = {dy};
    const std::vector<Tensor> wrt = {x, w, v};
    MultiWalk walk;
    walk.outputs = {&second, 1};
    walk.sets = {&set, 1};
    walk.wrt = wrt;
    walk.takeovers = takeovers;
    found.emplace_back();
    for (const Tensor& gradient : multi_gradients(walk))
      found.back().push_back(gradient.to_vector<float>());
  }
  EXPECT_EQ(found[0], found[1]);
}

// Two hidden layers, the second with two heads: as convolutions do, the second takes the first's
// mask, and the head that gives last the sum with the other and the second's mask.
TEST_P(GradientEnds, OfLinearLayersHaveTheBitsOfAWalkWithout) {
  Blocks blocks(GetParam());
  const ContextPtr& context = blocks.context;
  std::vector<Tensor> leaves = {random_tensor(context, {9, 12}, 1)};
  for (const std::int64_t inputs : {12, 16, 16, 16})
    leaves.push_back(random_tensor(context, {inputs == 12 ? 16 : inputs, inputs}, 2));
  for (unsigned i = 0; i < 4; ++i) leaves.push_back(random_tensor(context, {16}, 6 + i));
  for (Tensor& leaf : leaves) leaf.set_requires_grad(true);
  const Tensor first = linear(cast(leaves[0], GetParam()), leaves[1], leaves[5], true),
               second = linear(first, leaves[2], leaves[6], true),
               heads = add(linear(second, leaves[3], leaves[7], false, OutputType::kFloat),
                           linear(second, leaves[4], leaves[8], false, OutputType::kFloat));
  const Walked with = walk(blocks, leaves, heads, true),
               without = walk(blocks, leaves, heads, false);
  EXPECT_EQ(with.gradients, without.gradients);
  EXPECT_EQ(without.sums - with.sums, 1);
  EXPECT_EQ(without.masks - with.masks, 2);
}

// Several sets, one of which ends at a result in the middle and goes on from what is put there.
std::vector<std::vector<float>> told(const Blocks& blocks, const Tensor& y, const Tensor& middle,
                                     bool takeovers) {
  const auto random = [&](const Tensor& like, unsigned seed) {
    return cast(random_tensor(blocks.context, like.shape(), seed), like.dtype());
  };
  const std::vector<CotangentSet> sets = {{random(y, 11)}, {random(y, 12)}, {random(y, 13)}};
  const std::vector<Tensor> wrt = blocks.leaves();
  const std::vector<std::shared_ptr<Node>> watched = {middle.node()};
  std::vector<std::vector<float>> all;
  MultiWalk walk;
  walk.outputs = {&y, 1};
  walk.sets = sets;
  walk.wrt = wrt;
  walk.watched = watched;
  walk.takeovers = takeovers;
  walk.replaced = 2;
  walk.consumer = [&](std::size_t entry, int, std::span<Tensor> of_sets) {
    all.push_back({static_cast<float>(entry)});
    for (const Tensor& gradient : of_sets)
      if (gradient.defined()) all.push_back(cast(gradient, DType::kF32).to_vector<float>());
    if (entry == wrt.size()) of_sets[2] = random(middle, 14);
  };
  for (const Tensor& gradient : multi_gradients(walk)) all.push_back(gradient.to_vector<float>());
  return all;
}

TEST_P(GradientEnds, OfSeveralSetsHaveTheBitsOfAWalkWithout) {
  Blocks blocks(GetParam());
  Tensor middle;
  const Tensor y = blocks(&middle);
  blocks.profile.clear();
  const auto with = told(blocks, y, middle, true);
  const std::int64_t sums = blocks.calls("accumulate") + blocks.calls("add");
  blocks.profile.clear();
  EXPECT_EQ(with, told(blocks, y, middle, false));
  EXPECT_GT(blocks.calls("accumulate") + blocks.calls("add"), sums);
}

}  // namespace
}  // namespace ktrain
