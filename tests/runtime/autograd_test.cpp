#include "runtime/autograd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "runtime/part.h"

namespace ktrain {
namespace {

using testing::ElementsAre;

Tensor leaf(const ContextPtr& context, const std::vector<float>& values) {
  Tensor t = Tensor::from<float>(context, {static_cast<std::int64_t>(values.size())}, values);
  t.set_requires_grad(true);
  return t;
}

// y = x * x, elementwise, with a counter of backward calls.
Tensor square(const Tensor& x, int* calls = nullptr) {
  std::vector<float> values = x.to_vector<float>();
  for (float& v : values) v *= v;
  return record("square", {x}, Tensor::from<float>(x.context(), x.shape(), values),
                [x = x.detached(), calls](const Tensor& dy, const Wanted&) {
                  if (calls) ++*calls;
                  std::vector<float> dx = dy.to_vector<float>();
                  const std::vector<float> saved = x.to_vector<float>();
                  for (std::size_t i = 0; i < dx.size(); ++i) dx[i] *= 2 * saved[i];
                  return std::vector{Tensor::from<float>(dy.context(), dy.shape(), dx)};
                });
}

std::vector<Tensor> grads(const Tensor& y, const std::vector<float>& dy, std::vector<Tensor> wrt,
                          Tape tape = Tape::kKeep) {
  const Tensor cotangent = Tensor::from<float>(y.context(), y.shape(), dy);
  return gradients({&y, 1}, {&cotangent, 1}, wrt, tape);
}

TEST(Autograd, SumsOverEveryPathAndLeavesCotangentsAlone) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = leaf(context, {1, 2, 3});
  const Tensor s = square(x);
  const Tensor y = add(add(s, s), add(x, s));  // 3 x^2 + x
  const Tensor cotangent = Tensor::from<float>(context, {3}, std::vector<float>{1, 10, 100});
  const auto got = gradients({&y, 1}, {&cotangent, 1}, {&x, 1});
  EXPECT_THAT(got[0].to_vector<float>(), ElementsAre(7, 130, 1900));
  EXPECT_THAT(cotangent.to_vector<float>(), ElementsAre(1, 10, 100));
}

TEST(Autograd, SameTapeCanBeWalkedOncePerLoss) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = leaf(context, {3});
  const Tensor shared = square(x);
  const Tensor a = square(shared), b = add(shared, x);
  EXPECT_FLOAT_EQ(grads(a, {1}, {x})[0].item(), 4 * 27);
  EXPECT_FLOAT_EQ(grads(b, {1}, {x})[0].item(), 7);
  EXPECT_FLOAT_EQ(grads(a, {1}, {x})[0].item(), 4 * 27);
}

TEST(Autograd, ConsumedTapeGivesMemoryBackAndRefusesASecondWalk) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = leaf(context, std::vector<float>(1 << 20, 2.0f));
  Tensor y = square(square(square(x)));
  const std::vector<float> ones(1 << 20, 1.0f);
  const std::int64_t with_tape = context->memory.usage().live_bytes;
  const auto first = grads(y, ones, {x}, Tape::kConsume);
  EXPECT_FLOAT_EQ(first[0].to_vector<float>()[0], 8 * 128);
  // Two saved squares are gone, one gradient has come.
  EXPECT_EQ(context->memory.usage().live_bytes, with_tape - (4 << 20));
  EXPECT_THROW((void)grads(y, ones, {x}), Error);
}

TEST(Autograd, OnlyPathsToWhatIsAskedAreWalked) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = leaf(context, {2}), z = leaf(context, {5});
  int calls_x = 0, calls_z = 0;
  const Tensor y = add(square(x, &calls_x), square(z, &calls_z));
  EXPECT_FLOAT_EQ(grads(y, {1}, {z})[0].item(), 10);
  EXPECT_EQ(calls_x, 0);
  EXPECT_EQ(calls_z, 1);
}

TEST(Autograd, GradientsOfResultsInsideTheTape) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = leaf(context, {2});
  const Tensor middle = square(x);
  const Tensor y = square(middle);
  const auto got = grads(y, {1}, {middle, x});
  EXPECT_FLOAT_EQ(got[0].item(), 8);
  EXPECT_FLOAT_EQ(got[1].item(), 32);
}

TEST(Autograd, NothingIsRecordedWithoutNeed) {
  const ContextPtr context = make_cpu_context();
  const Tensor constant = Tensor::from<float>(context, {1}, std::vector<float>{2});
  EXPECT_FALSE(square(constant).requires_grad());
  const Tensor x = leaf(context, {2});
  {
    const NoGradScope no_grad;
    EXPECT_FALSE(square(x).requires_grad());
  }
  EXPECT_TRUE(square(x).requires_grad());
  EXPECT_FALSE(grads(add(square(x), constant), {1}, {constant})[0].defined());
}

TEST(Autograd, BackwardNeedsAScalarThatDependsOnSomething) {
  const ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  const Tensor x = parameters.add("w", Tensor::from<float>(context, {2}, std::vector<float>{1, 2}),
                                  ParameterKind::kWeight);
  parameters.add("mean", Tensor::zeros(context, {1}), ParameterKind::kBuffer);
  EXPECT_THROW((void)backward(square(x), parameters), Error);
  EXPECT_THROW((void)backward(filled(context, {1}, 0), parameters), Error);
  const Tensor loss = reshape(square(x.slice(0, 1)), {1});
  EXPECT_FALSE(loss.requires_grad()) << "a slice has no history";
}

TEST(Autograd, DeepTapesAreTakenApartWithoutRecursion) {
  const ContextPtr context = make_cpu_context();
  Tensor y = leaf(context, {1});
  const Tensor x = y;
  for (int i = 0; i < 200000; ++i) y = reshape(y, {1});
  EXPECT_FLOAT_EQ(grads(y, {3}, {x})[0].item(), 3);
  y = Tensor();
}

TEST(Autograd, WeightedSumWeighsValueAndGradientAlike) {
  const ContextPtr context = make_cpu_context();
  const Tensor a = leaf(context, {2}), b = leaf(context, {3});
  const Tensor total = weighted_sum({a, b}, {0.5f, -2.0f});
  EXPECT_FLOAT_EQ(total.item(), -5);
  const auto got = grads(total, {2}, {a, b});
  EXPECT_FLOAT_EQ(got[0].item(), 1);
  EXPECT_FLOAT_EQ(got[1].item(), -4);
}

// ---- several sets of cotangents in one walk

Tensor cotangent(const ContextPtr& context, float value) {
  return Tensor::from<float>(context, {1}, std::vector<float>{value});
}

TEST(MultiGradients, EverySetIsWhatItsOwnWalkGives) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = leaf(context, {3}), z = leaf(context, {2});
  const Tensor shared = square(x);
  const std::vector<Tensor> outputs = {add(square(shared), square(z)), add(shared, x)};
  const std::vector<CotangentSet> sets = {{cotangent(context, 1), cotangent(context, 0.5f)},
                                          {cotangent(context, 1), Tensor()},
                                          {Tensor(), cotangent(context, 1)}};
  const std::vector<Tensor> wrt = {x, z};
  std::vector<std::vector<float>> seen(2);
  MultiWalk walk;
  walk.outputs = outputs;
  walk.sets = sets;
  walk.wrt = wrt;
  walk.consumer = [&](std::size_t entry, int pass, std::span<Tensor> of_sets) {
    EXPECT_EQ(pass, MultiWalk::kWhole);
    EXPECT_TRUE(seen[entry].empty()) << "told once";
    for (const Tensor& g : of_sets) seen[entry].push_back(g.defined() ? g.item() : NAN);
  };
  const auto got = multi_gradients(walk);
  EXPECT_FLOAT_EQ(got[0].item(), 4 * 27 + 0.5f * 7);
  EXPECT_FLOAT_EQ(got[1].item(), 4);
  EXPECT_THAT(seen[0], ElementsAre(4 * 27 + 0.5f * 7, 4 * 27, 7));
  ASSERT_EQ(seen[1].size(), 3u);
  EXPECT_FLOAT_EQ(seen[1][1], 4);
  EXPECT_TRUE(std::isnan(seen[1][2])) << "the second output does not reach z";
}

TEST(MultiGradients, GradientsOfOtherSetsAreDroppedWhileTheTapeIsWalked) {
  const ContextPtr context = make_cpu_context();
  constexpr std::int64_t kSize = 1 << 16, kBytes = kSize * 4;
  const std::vector<float> ones(kSize, 1.0f);
  std::vector<Tensor> leaves;
  Tensor y = leaf(context, ones);
  for (int i = 0; i < 20; ++i) {
    leaves.push_back(leaf(context, ones));
    y = add(y, leaves.back());
  }
  const Tensor dy = Tensor::from<float>(context, y.shape(), ones);
  const std::vector<CotangentSet> sets(8, {dy});
  const auto extra = [&](std::size_t count) {
    context->memory.reset_peak();
    const std::int64_t before = context->memory.usage().live_bytes;
    std::size_t told = 0;
    MultiWalk walk;
    walk.outputs = {&y, 1};
    walk.sets = std::span(sets).first(count);
    walk.wrt = leaves;
    // A copy, so that every gradient has memory of its own.
    walk.consumer = [&](std::size_t, int, std::span<Tensor> of_sets) {
      for (Tensor& g : of_sets) g = g.clone();
      ++told;
    };
    const auto kept = multi_gradients(walk);
    EXPECT_EQ(told, leaves.size());
    return context->memory.usage().peak_bytes - before;
  };
  const std::int64_t one = extra(1), eight = extra(8);
  EXPECT_LE(eight - one, 8 * kBytes) << "of 20 parameters, those of one at a time are there";
}

TEST(MultiGradients, WatchedResultsCanBeReplaced) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = leaf(context, {2});
  const Tensor middle = square(x), y = square(middle);
  const std::vector<CotangentSet> sets = {{cotangent(context, 1)}, {Tensor()}};
  const std::vector<std::shared_ptr<Node>> watched = {middle.node(), nullptr};
  float at_leaf = 0;
  MultiWalk walk;
  walk.outputs = {&y, 1};
  walk.sets = sets;
  walk.wrt = {&x, 1};
  walk.watched = watched;
  walk.consumer = [&](std::size_t entry, int, std::span<Tensor> of_sets) {
    if (entry == 1) {
      EXPECT_FLOAT_EQ(of_sets[0].item(), 8);
      EXPECT_FALSE(of_sets[1].defined());
      of_sets[1] = cotangent(context, 10);
    } else {
      at_leaf = of_sets[1].item();
    }
  };
  EXPECT_FLOAT_EQ(multi_gradients(walk)[0].item(), 32);
  EXPECT_FLOAT_EQ(at_leaf, 40);
}

TEST(MultiGradients, LateNodesAreWalkedWhenTheirInputsAreDueAndGiveTheSame) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = leaf(context, {3}), own = leaf(context, {2});
  const Tensor trunk = square(x), head = square(square(trunk));
  const std::int64_t after_head = square(head).node()->order;
  // Beside the trunk, with a parameter of its own; two nodes in a row hand back to the trunk.
  const Tensor side = square(add(square(trunk), own)), total = add(head, side);
  const std::vector<Tensor> outputs = {total, head, side};
  const std::vector<CotangentSet> sets = {{cotangent(context, 1), Tensor(), Tensor()},
                                          {Tensor(), cotangent(context, 1), Tensor()},
                                          {Tensor(), Tensor(), cotangent(context, 1)}};
  const std::vector<Tensor> wrt = {x, own};
  for (const Tape tape : {Tape::kKeep, Tape::kConsume}) {
    std::vector<float> seen(6, -1), want;
    MultiWalk walk;
    walk.outputs = outputs;
    walk.sets = sets;
    walk.wrt = wrt;
    walk.tape = tape;
    if (tape == Tape::kConsume)
      walk.late = [&](const Node& node) { return node.order > after_head; };
    walk.consumer = [&](std::size_t entry, int, std::span<Tensor> of_sets) {
      for (std::size_t s = 0; s < 3; ++s)
        seen[3 * entry + s] = of_sets[s].defined() ? of_sets[s].item() : 0;
    };
    const auto got = multi_gradients(walk);
    // head = x^8, side = (x^4 + own)^2.
    EXPECT_FLOAT_EQ(got[0].item(), 8 * 2187 + 2 * 83 * 4 * 27);
    EXPECT_FLOAT_EQ(got[1].item(), 2 * 83);
    EXPECT_THAT(seen, ElementsAre(8 * 2187 + 2 * 83 * 4 * 27, 8 * 2187, 2 * 83 * 4 * 27, 2 * 83, 0,
                                  2 * 83));
  }
}

TEST(MultiGradients, WhatALateBranchHandsBackDoesNotWaitWhileOtherHeadsAreWalked) {
  const ContextPtr context = make_cpu_context();
  constexpr std::int64_t kSize = 1 << 16, kBytes = kSize * 4;
  const std::vector<float> ones(kSize, 1.0f);
  const auto extra = [&](bool late) {
    const Tensor x = leaf(context, ones);
    const Tensor trunk = add(x, x);
    Tensor head = trunk;
    // Each saves its input and walks through a result of its own.
    for (int i = 0; i < 8; ++i) head = square(head);
    const std::int64_t after_head = head.node()->order;
    const Tensor side = square(trunk);
    const std::vector<Tensor> outputs = {head, side};
    const Tensor dy = Tensor::from<float>(context, x.shape(), ones);
    const std::vector<CotangentSet> sets = {{dy, Tensor()}, {Tensor(), dy}};
    MultiWalk walk;
    walk.outputs = outputs;
    walk.sets = sets;
    walk.wrt = {&x, 1};
    walk.tape = Tape::kConsume;
    if (late) walk.late = [&](const Node& node) { return node.order > after_head; };
    std::int64_t at_head = 0;
    const std::vector<std::shared_ptr<Node>> watched = {head.node()->inputs[0]};
    walk.watched = watched;
    walk.consumer = [&](std::size_t entry, int, std::span<Tensor>) {
      if (entry == 1) at_head = context->memory.usage().live_bytes;
    };
    (void)multi_gradients(walk);
    return at_head;
  };
  EXPECT_EQ(extra(false) - extra(true), kBytes);
}

TEST(MultiGradients, PassesThroughSharedWeightsAreKeptApart) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = leaf(context, {3});
  const auto use = [&](const char* part, const Tensor& t) {
    const PartScope scope(part);
    return square(t);
  };
  const Tensor first = use("visible backbone", x), second = use("thermal backbone", x);
  const Tensor y = add(square(first), second);
  const std::vector<CotangentSet> sets = {{cotangent(context, 1)}};
  std::vector<float> seen(3);
  MultiWalk walk;
  walk.outputs = {&y, 1};
  walk.sets = sets;
  walk.wrt = {&x, 1};
  walk.pass_of = [](const char* part) { return *part == 'v' ? 0 : *part == 't' ? 1 : -1; };
  walk.consumer = [&](std::size_t, int pass, std::span<Tensor> of_sets) {
    seen[static_cast<std::size_t>(pass + 1)] = of_sets[0].item();
  };
  EXPECT_FLOAT_EQ(multi_gradients(walk)[0].item(), 4 * 27 + 6);
  EXPECT_THAT(seen, ElementsAre(4 * 27 + 6, 4 * 27, 6));
}

TEST(Tensor, ViewsCheckTypeAndRank) {
  const ContextPtr context = make_cpu_context();
  Tensor t = Tensor::zeros(context, {2, 3, 4, 5});
  EXPECT_EQ(t.nhwc<float>().channels, 5);
  EXPECT_EQ(t.rows<float>().rows, 24);
  EXPECT_THROW((void)t.span<std::int32_t>(), Error);
  EXPECT_THROW((void)t.viewed({7}), Error);
  EXPECT_THROW((void)Tensor().size(0), Error);
  EXPECT_EQ(t.slice(1, 2).shape(), (Shape{1, 3, 4, 5}));
  EXPECT_EQ(t.slice(1, 2).span<float>().data, t.span<float>().data + 60);
}

TEST(Tensor, PoisonShowsWhatNobodyWrote) {
  const ContextPtr context = make_cpu_context();
  context->poison = true;
  EXPECT_TRUE(std::isnan(Tensor::empty(context, {1}).item()));
}

TEST(Parameters, NamesAreUniqueAndCounted) {
  const ContextPtr context = make_cpu_context();
  ParameterSet set;
  (void)set.add("a.weight", Tensor::zeros(context, {2, 3}), ParameterKind::kWeight);
  (void)set.add("a.mean", Tensor::zeros(context, {4}), ParameterKind::kBuffer);
  (void)set.add("b.weight", Tensor::zeros(context, {5}), ParameterKind::kWeight, false);
  EXPECT_EQ(set.count(), 11);
  EXPECT_EQ(set.count("a."), 6);
  EXPECT_EQ(set.count("", true), 6);
  EXPECT_FALSE(set.find("b.weight")->value.requires_grad());
  EXPECT_EQ(set.find("c"), nullptr);
  EXPECT_THROW((void)set.add("a.weight", Tensor::zeros(context, {1}), ParameterKind::kWeight),
               Error);
}

}  // namespace
}  // namespace ktrain
