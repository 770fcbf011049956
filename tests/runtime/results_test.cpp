// Ops with several results on the tape.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "runtime/part.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using testing::ElementsAre;

Tensor constant(const ContextPtr& context, const std::vector<float>& values) {
  return Tensor::from<float>(context, {static_cast<std::int64_t>(values.size())}, values);
}

Tensor leaf(const ContextPtr& context, const std::vector<float>& values) {
  Tensor t = constant(context, values);
  t.set_requires_grad(true);
  return t;
}

Tensor times(const Tensor& a, const Tensor& b) {
  std::vector<float> values = a.to_vector<float>();
  const std::vector<float> other = b.to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= other[i % other.size()];
  return Tensor::from<float>(a.context(), a.shape(), values);
}

Tensor square(const Tensor& x) {
  return record("square", {x}, times(x, x), [x = x.detached()](const Tensor& dy, const Wanted&) {
    return std::vector{times(times(dy, x), constant(dy.context(), {2}))};
  });
}

// What the backward of scale_all was called with: which results had a gradient.
using Calls = std::vector<std::vector<bool>>;

// y[i] = xs[i] * w: one op, whose results share w.
std::vector<Tensor> scale_all(const std::vector<Tensor>& xs, const Tensor& w,
                              Calls* calls = nullptr) {
  std::vector<Tensor> inputs, saved;
  std::vector<OpResult> results;
  for (const Tensor& x : xs) {
    results.push_back({times(x, w), {inputs.size(), xs.size()}});
    inputs.push_back(x);
    saved.push_back(x.detached());
  }
  inputs.push_back(w);
  return record_results(
      "scale_all", inputs, results,
      [saved, w = w.detached(), calls](std::vector<Tensor> dys, const Wanted& wanted) {
        const std::size_t n = saved.size();
        std::vector<Tensor> gradients(n + 1);
        if (calls) calls->emplace_back();
        for (std::size_t i = n; i-- > 0;) {
          if (calls) calls->back().insert(calls->back().begin(), dys[i].defined());
          if (!dys[i].defined()) continue;
          if (wanted[i]) gradients[i] = times(dys[i], w);
          if (!wanted[n]) continue;
          const Tensor dw = times(dys[i], saved[i]);
          gradients[n] = gradients[n].defined() ? add(gradients[n], dw) : dw;
        }
        return gradients;
      });
}

std::vector<float> values(const Tensor& t) {
  return t.defined() ? t.to_vector<float>() : std::vector<float>{};
}

std::vector<std::vector<float>> grads(const std::vector<Tensor>& outputs,
                                      const std::vector<Tensor>& cotangents,
                                      const std::vector<Tensor>& wrt, Tape tape = Tape::kKeep) {
  std::vector<std::vector<float>> found;
  for (const Tensor& gradient : gradients(outputs, cotangents, wrt, tape))
    found.push_back(values(gradient));
  return found;
}

struct Two {
  ContextPtr context = make_cpu_context();
  Tensor a = leaf(context, {2}), b = leaf(context, {3}), w = leaf(context, {5});
  Calls calls;
  std::vector<Tensor> y = scale_all({a, b}, w, &calls);
  Tensor one = constant(context, {1});
};

TEST(Results, AreWalkedBackTogether) {
  Two two;
  const Tensor sum = add(square(two.y[0]), two.y[1]);  // (a w)^2 + b w
  EXPECT_THAT(grads({sum}, {two.one}, {two.a, two.b, two.w}),
              ElementsAre(ElementsAre(2 * 10 * 5), ElementsAre(5), ElementsAre(2 * 10 * 2 + 3)));
  EXPECT_THAT(two.calls, ElementsAre(ElementsAre(true, true)));
}

TEST(Results, OneAloneReachesWhatItDependsOn) {
  Two two;
  EXPECT_THAT(grads({square(two.y[1])}, {two.one}, {two.a, two.b, two.w}),
              ElementsAre(ElementsAre(), ElementsAre(2 * 15 * 5), ElementsAre(2 * 15 * 3)));
  two.y[0] = Tensor();  // nobody holds it any more
  EXPECT_THAT(grads({square(two.y[1])}, {two.one}, {two.a, two.b, two.w}),
              ElementsAre(ElementsAre(), ElementsAre(2 * 15 * 5), ElementsAre(2 * 15 * 3)));
  EXPECT_THAT(two.calls, ElementsAre(ElementsAre(false, true), ElementsAre(false, true)));
}

TEST(Results, UsedTwiceAddUp) {
  Two two;
  const Tensor sum = add(add(two.y[0], two.y[1]), add(square(two.y[0]), two.y[0]));
  EXPECT_THAT(grads({sum, two.y[0]}, {two.one, constant(two.context, {100})}, {two.a, two.b}),
              ElementsAre(ElementsAre((2 * 10 + 2 + 100) * 5), ElementsAre(5)));
  EXPECT_EQ(two.calls.size(), 1u);
}

TEST(Results, CanBeAskedForThemselves) {
  Two two;
  const Tensor sum = add(square(two.y[0]), two.y[1]);
  for (const Tape tape : {Tape::kKeep, Tape::kConsume})
    EXPECT_THAT(grads({sum}, {two.one}, {two.y[0], two.w, two.y[1]}, tape),
                ElementsAre(ElementsAre(20), ElementsAre(2 * 10 * 2 + 3), ElementsAre(1)));
}

TEST(Results, AreUntiedOneByOne) {
  const ContextPtr context = make_cpu_context();
  const Tensor constant_a = constant(context, {2}), b = leaf(context, {3});
  const Tensor w = constant(context, {5});
  Calls calls;
  const std::vector<Tensor> y = scale_all({constant_a, b}, w, &calls);
  EXPECT_FALSE(y[0].requires_grad());
  ASSERT_TRUE(y[1].requires_grad());
  const Tensor one = constant(context, {1});
  EXPECT_THAT(grads({add(y[0], y[1])}, {one}, {b, w}), ElementsAre(ElementsAre(5), ElementsAre()));
  EXPECT_THAT(calls, ElementsAre(ElementsAre(false, true)));
  const NoGradScope no_grad;
  EXPECT_FALSE(scale_all({constant_a, b}, w)[1].requires_grad());
}

TEST(Results, AreReachedOneByOne) {
  Two two;
  const Tensor value = square(two.y[1]);
  const auto behind = nodes_behind({&value, 1});
  EXPECT_TRUE(behind.contains(two.y[1].node().get()));
  EXPECT_TRUE(behind.contains(two.b.node().get()));
  EXPECT_TRUE(behind.contains(two.w.node().get()));
  EXPECT_TRUE(behind.contains(two.y[1].node()->inputs[0].get())) << "the op";
  EXPECT_FALSE(behind.contains(two.y[0].node().get()));
  EXPECT_FALSE(behind.contains(two.a.node().get()));
}

// Nothing is computed for a result whose inputs nobody asks for.
TEST(Results, LeadOnlyToWhatTheyDependOn) {
  Two two;
  int squares = 0;
  const Tensor counted =
      record("counted", {two.y[0]}, times(two.y[0], two.y[0]),
             [&](const Tensor& dy, const Wanted&) { return ++squares, std::vector{dy}; });
  EXPECT_THAT(grads({add(counted, two.y[1])}, {two.one}, {two.b}), ElementsAre(ElementsAre(5)));
  EXPECT_EQ(squares, 0);
  EXPECT_THAT(two.calls, ElementsAre(ElementsAre(false, true)));
}

TEST(Results, ConsumedGiveMemoryBackAndRefuseASecondWalk) {
  constexpr std::int64_t kBytes = 4 << 18;
  const ContextPtr context = make_cpu_context();
  const std::vector<float> twos(1 << 18, 2.0f);
  const Tensor a = leaf(context, twos), b = leaf(context, twos);
  const Tensor one = constant(context, std::vector<float>(1 << 18, 1.0f));
  const Tensor w = constant(context, {3});
  std::vector<Tensor> y = scale_all({square(a), square(b)}, w);
  const Tensor other = y[1];
  const Tensor sum = add(square(y[0]), square(y[1]));
  y.clear();
  const std::int64_t before = context->memory.usage().live_bytes;
  std::vector<Tensor> found =
      gradients({&sum, 1}, {&one, 1}, std::vector<Tensor>{a, b}, Tape::kConsume);
  EXPECT_FLOAT_EQ(found[0].to_vector<float>()[7], 2 * 12 * 3 * 2 * 2);
  // Both squares as scale_all saved them, and y[0] as square did (y[1] is held here), are gone; two
  // gradients have come.
  EXPECT_EQ(context->memory.usage().live_bytes, before - 3 * kBytes + 2 * kBytes);
  EXPECT_THROW((void)grads({sum}, {one}, {a}), Error);
  EXPECT_THROW((void)grads({other}, {one}, {a}), Error);
}

// Also when the walk has already taken the results apart.
TEST(Results, AForgottenGradientIsAnError) {
  for (const Tape tape : {Tape::kKeep, Tape::kConsume}) {
    const ContextPtr context = make_cpu_context();
    const Tensor a = leaf(context, {2}), b = leaf(context, {3}), one = constant(context, {1});
    const auto y = record_results("forgetful", {a, b}, {{a.clone(), {0}}, {b.clone(), {1}}},
                                  [](std::vector<Tensor> dys, const Wanted&) {
                                    return std::vector{dys[0], Tensor()};
                                  });
    const Tensor sum = add(square(y[0]), y[1]);
    EXPECT_THAT(test::message_of([&] {
                  (void)grads({sum}, {one}, {a, b}, tape);
                }),
                testing::HasSubstr("'forgetful' gave no gradient for input 1"));
  }
}

// The gradients of the results are gone when the op has them, but for what is asked for.
TEST(Results, LetGoOfTheirGradientsEarly) {
  constexpr std::int64_t kSize = 1 << 16, kBytes = kSize * 4;
  const ContextPtr context = make_cpu_context();
  const Tensor a = leaf(context, std::vector<float>(kSize, 2.0f));
  std::int64_t inside = 0;
  const auto fork = [&] {
    const std::vector<OpResult> results = {{a.clone(), {0}}, {a.clone(), {0}}};
    return record_results("fork", {a}, results, [&](std::vector<Tensor> dys, const Wanted&) {
      dys[1] = Tensor();
      inside = context->memory.usage().live_bytes;
      return std::vector{dys[0]};
    });
  };
  const auto live = [&](bool asked) {
    const std::vector<Tensor> y = fork();
    const Tensor sum = add(square(y[0]), square(y[1]));
    const Tensor one = constant(context, std::vector<float>(kSize, 1.0f));
    std::vector<Tensor> wrt = {a};
    if (asked) wrt.push_back(y[1]);
    (void)gradients({&sum, 1}, {&one, 1}, wrt);
    return inside;
  };
  const std::int64_t alone = live(false);
  EXPECT_EQ(live(true) - alone, kBytes);
}

// ---- several sets of cotangents

// Results with several users, an output among them, and two ops in a row.
struct Net {
  ContextPtr context = make_cpu_context();
  Tensor a = leaf(context, {0.3f, 1.7f}), b = leaf(context, {-0.9f, 0.4f});
  Tensor w = leaf(context, {1.3f}), v = leaf(context, {-0.7f});
  std::vector<Tensor> first = scale_all({square(a), b, add(a, b)}, w);
  std::vector<Tensor> second = scale_all({first[0], add(first[2], first[0])}, v);
  std::vector<Tensor> outputs = {add(second[0], second[1]), square(second[1]), first[1]};
  std::vector<Tensor> wrt = {a, b, first[2], w, v, second[0]};

  [[nodiscard]] Tensor cotangent(float x, float y) const { return constant(context, {x, y}); }
  [[nodiscard]] std::vector<CotangentSet> sets() const {
    return {{cotangent(1, 0.1f), cotangent(0.7f, -1), cotangent(3, 0.3f)},
            {cotangent(0.9f, 1.1f), Tensor(), Tensor()},
            {Tensor(), cotangent(-0.2f, 0.6f), Tensor()},
            {Tensor(), Tensor(), cotangent(1, 1)}};
  }
};

TEST(Results, EverySetHasTheBitsOfItsOwnWalk) {
  for (const Tape tape : {Tape::kKeep, Tape::kConsume}) {
    for (const bool late : {false, true}) {
      const Net net;
      const std::vector<CotangentSet> sets = net.sets();
      std::vector<std::vector<std::vector<float>>> want(sets.size()), got(sets.size());
      for (std::size_t s = 0; s < sets.size(); ++s) {
        got[s].resize(net.wrt.size());
        for (const Tensor& g : gradients(net.outputs, sets[s], net.wrt))
          want[s].push_back(values(g));
      }
      MultiWalk walk;
      walk.outputs = net.outputs;
      walk.sets = sets;
      walk.wrt = net.wrt;
      walk.tape = tape;
      // The op in between waits, and what hands to its results.
      if (late)
        walk.late = [&](const Node& node) { return node.order > net.first[2].node()->order; };
      walk.consumer = [&](std::size_t entry, int, std::span<Tensor> of_sets) {
        for (std::size_t s = 0; s < sets.size(); ++s) {
          EXPECT_TRUE(got[s][entry].empty()) << "told once";
          got[s][entry] = values(of_sets[s]);
        }
      };
      const std::vector<Tensor> first = multi_gradients(walk);
      for (std::size_t i = 0; i < net.wrt.size(); ++i) EXPECT_EQ(values(first[i]), want[0][i]) << i;
      EXPECT_EQ(got, want);
    }
  }
}

TEST(Results, WatchedOnesCanBeReplaced) {
  Two two;
  const Tensor sum = add(square(two.y[0]), two.y[1]);
  const std::vector<CotangentSet> sets = {{two.one}, {Tensor()}};
  const std::vector<Tensor> wrt = {two.a, two.b, two.w};
  const std::vector<std::shared_ptr<Node>> watched = {two.y[0].node(), two.y[1].node()};
  std::vector<float> at(3);
  MultiWalk walk;
  walk.outputs = {&sum, 1};
  walk.sets = sets;
  walk.wrt = wrt;
  walk.watched = watched;
  walk.replaced = 1;
  walk.consumer = [&](std::size_t entry, int, std::span<Tensor> of_sets) {
    if (entry >= 3) {
      EXPECT_FLOAT_EQ(of_sets[0].item(), entry == 3 ? 20 : 1);
      EXPECT_FALSE(of_sets[1].defined());
      of_sets[1] = constant(two.context, {entry == 3 ? 10.0f : 1000.0f});
    } else {
      at[entry] = of_sets[1].item();
    }
  };
  for (const bool ahead : {false, true}) {
    // Told at the last moment: the sets are then walked apart from each other.
    if (ahead) walk.ahead_of = 0;
    EXPECT_FLOAT_EQ(multi_gradients(walk)[2].item(), 2 * 20 + 3);
    EXPECT_THAT(at, ElementsAre(50, 5000, 10 * 2 + 1000 * 3));
  }
}

TEST(Results, PassesThroughSharedInputsAreKeptApart) {
  const ContextPtr context = make_cpu_context();
  const Tensor w = leaf(context, {5}), a = constant(context, {2}), b = constant(context, {3});
  const auto use = [&](const char* part) {
    const PartScope scope(part);
    return scale_all({a, b}, w);
  };
  const std::vector<Tensor> first = use("visible neck"), second = use("thermal neck");
  const Tensor y = add(add(first[0], first[1]), second[0]);
  const std::vector<CotangentSet> sets = {{constant(context, {1})}};
  std::vector<float> seen(3);
  MultiWalk walk;
  walk.outputs = {&y, 1};
  walk.sets = sets;
  walk.wrt = {&w, 1};
  walk.pass_of = [](const char* part) { return *part == 'v' ? 0 : *part == 't' ? 1 : -1; };
  walk.consumer = [&](std::size_t, int pass, std::span<Tensor> of_sets) {
    seen[static_cast<std::size_t>(pass + 1)] = of_sets[0].item();
  };
  EXPECT_FLOAT_EQ(multi_gradients(walk)[0].item(), 7);
  EXPECT_THAT(seen, ElementsAre(7, 5, 2));
}

}  // namespace
}  // namespace ktrain
