#include "train/optimizer.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/close.h"
#include "tests/support/reference.h"
#include "tests/support/simulated_disk.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

using test::all_close;
using test::Reference;
using ::testing::HasSubstr;

struct Made {
  const char* name;
  Shape shape;
  ParameterKind kind;
};

// The parameters of tests/reference/expect_optimizer.py, and a frozen one between them.
const std::vector<Made> kMade = {
    {"visible.backbone.conv1.weight", {4, 1, 1, 3}, ParameterKind::kWeight},
    {"rpn_head.rpn_conv.weight", {5, 7}, ParameterKind::kWeight},
    {"rpn_head.rpn_conv.bias", {5}, ParameterKind::kBias},
    {"roi_head.norm.weight", {6}, ParameterKind::kNormScale}};

class Model {
 public:
  explicit Model(const Reference& reference) {
    for (const Made& made : kMade) {
      const auto start = reference.get<float>(std::string("start.") + made.name);
      set.add(made.name, Tensor::from<float>(context, made.shape, start), made.kind);
    }
    set.add("frozen.weight", Tensor::zeros(context, {3}), ParameterKind::kWeight, false);
    set.add("frozen.running_mean", Tensor::zeros(context, {3}), ParameterKind::kBuffer);
  }

  std::vector<Tensor> gradients(const Reference& reference, int step) const {
    std::vector<Tensor> out;
    for (const Made& made : kMade) {
      const auto values = reference.get<float>(fmt::format("gradient.{}.{}", step, made.name));
      out.push_back(Tensor::from<float>(context, made.shape, values));
    }
    // For a frozen parameter a gradient may be there all the same; it must not be used.
    out.push_back(Tensor::from<float>(context, {3}, std::vector<float>{1e9f, 1e9f, 1e9f}));
    out.emplace_back();
    return out;
  }

  ContextPtr context = make_cpu_context();
  ParameterSet set;
};

OptimizerPlan plan_of(const std::string& kind, double clip) {
  OptimizerPlan plan;
  plan.kind = kind;
  plan.weight_decay = 5e-2;
  plan.beta2 = 0.99;
  plan.clip = clip;
  plan.multipliers = {{"backbone", 0.1, 1.0}};
  plan.bias_decay = 0.0;
  plan.norm_decay = 0.5;
  return plan;
}

constexpr double kRates[] = {1e-2, 1e-2, 5e-3, 2e-3, 2e-2};

struct Case {
  const char* file;
  const char* kind;
  double clip;
};

class OptimizerParity : public ::testing::TestWithParam<Case> {};

// Both compute in float, in another order: a few roundings (6e-8 relative) a step, five steps, of
// values up to 4; v is a square. 2e-6 is a tenth of the effect of the smallest clip or decay here.
TEST_P(OptimizerParity, AgreesWithTorch) {
  const Reference reference(GetParam().file);
  Model model(reference);
  Optimizer optimizer(plan_of(GetParam().kind, GetParam().clip), model.set);
  for (int step = 0; step < 5; ++step) {
    optimizer.step(model.gradients(reference, step), kRates[step]);
    EXPECT_TRUE(all_close(std::vector{optimizer.gradient_norm()},
                          reference.get(fmt::format("norm.{}", step)), 0, 1e-6));
    for (const Made& made : kMade)
      EXPECT_TRUE(all_close(model.set.find(made.name)->value.to_vector<float>(),
                            reference.get(fmt::format("after.{}.{}", step, made.name)), 2e-6, 2e-6))
          << made.name << " after step " << step;
  }
  EXPECT_EQ(model.set.find("frozen.weight")->value.to_vector<float>(), std::vector<float>(3, 0));
  EXPECT_EQ(optimizer.steps(), 5);
  const bool adamw = std::string(GetParam().kind) == "adamw";
  for (const NamedArray& array : optimizer.state()) {
    const std::string& name = array.spec.name;
    if (name == "optimizer.step") continue;
    const std::size_t dot = name.find('.', 10);
    const std::string what = name.substr(10, dot - 10), of = name.substr(dot + 1);
    const std::string theirs = !adamw        ? "momentum_buffer."
                               : what == "m" ? "exp_avg."
                                             : "exp_avg_sq.";
    const auto* values = reinterpret_cast<const float*>(array.bytes.data());
    EXPECT_TRUE(all_close(std::vector<float>(values, values + array.bytes.size() / 4),
                          reference.get(theirs + of), 2e-6, 2e-6))
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, OptimizerParity,
                         ::testing::Values(Case{"optimizer_adamw.txt", "adamw", 3.0},
                                           Case{"optimizer_adamw_unclipped.txt", "adamw", 0.0},
                                           Case{"optimizer_sgd.txt", "sgd", 3.0}));

Factors factors(const std::string& name, ParameterKind kind, const OptimizerPlan& plan) {
  return factors_for({name, {}, kind, true}, plan);
}

// reference_system.md 1.7.
TEST(OptimizerFactors, LongestMatchWinsAndSilencesNormAndBias) {
  OptimizerPlan plan;
  plan.norm_decay = 0.0;
  plan.bias_decay = 0.25;
  plan.multipliers = {{"backbone", 0.1, 1.0}, {"backbone.layer4", 0.5, 2.0}, {"bias", 3.0, 1.0}};
  const auto weight = ParameterKind::kWeight, bias = ParameterKind::kBias;
  const auto scale = ParameterKind::kNormScale, shift = ParameterKind::kNormShift;
  EXPECT_EQ(factors("visible.neck.conv.weight", weight, plan), (Factors{1.0, 1.0}));
  EXPECT_EQ(factors("visible.neck.bn.weight", scale, plan), (Factors{1.0, 0.0}));
  EXPECT_EQ(factors("visible.neck.bn.shift", shift, plan), (Factors{1.0, 0.0}));
  EXPECT_EQ(factors("visible.backbone.conv1.weight", weight, plan), (Factors{0.1, 1.0}));
  // A matched key: the norm's own factor is not applied.
  EXPECT_EQ(factors("visible.backbone.bn1.weight", scale, plan), (Factors{0.1, 1.0}));
  EXPECT_EQ(factors("thermal.backbone.layer4.0.conv1.weight", weight, plan), (Factors{0.5, 2.0}));
  // Any substring, not only a prefix; the longer of "backbone" and "bias" is the former.
  EXPECT_EQ(factors("visible.backbone.bn1.bias", shift, plan), (Factors{0.1, 1.0}));
  EXPECT_EQ(factors("rpn_head.rpn_conv.bias", bias, plan), (Factors{3.0, 1.0}));
  plan.multipliers = {{"neck", 2.0, 1.0}, {"conv", 4.0, 1.0}};
  EXPECT_EQ(factors("neck.conv.weight", weight, plan), (Factors{4.0, 1.0}));  // equal length
  EXPECT_EQ(factors("rpn.bias", bias, plan), (Factors{1.0, 0.25}));
}

TEST(Optimizer, MultiplierZeroMeansNoMovement) {
  const Reference reference("optimizer_adamw.txt");
  Model model(reference);
  OptimizerPlan plan = plan_of("adamw", 0);
  plan.multipliers = {{"rpn_head", 0.0, 1.0}};
  Optimizer optimizer(plan, model.set);
  optimizer.step(model.gradients(reference, 0), 1e-2);
  EXPECT_EQ(model.set.find("rpn_head.rpn_conv.weight")->value.to_vector<float>(),
            reference.get<float>("start.rpn_head.rpn_conv.weight"));
}

TEST(Optimizer, UndefinedGradientsAreLeftOutOfNormAndUpdate) {
  const Reference reference("optimizer_adamw.txt");
  Model model(reference);
  Optimizer optimizer(plan_of("adamw", 0), model.set);
  auto gradients = model.gradients(reference, 0);
  gradients[1] = Tensor();
  double square = 0;
  for (const int i : {0, 2, 3})
    for (const float g : gradients[static_cast<std::size_t>(i)].to_vector<float>())
      square += static_cast<double>(g) * g;
  optimizer.step(gradients, 1e-2);
  EXPECT_NEAR(optimizer.gradient_norm(), std::sqrt(square), 1e-6 * std::sqrt(square));
  EXPECT_EQ(model.set.find("rpn_head.rpn_conv.weight")->value.to_vector<float>(),
            reference.get<float>("start.rpn_head.rpn_conv.weight"));
}

// P8, N1.
TEST(Optimizer, ANonFiniteGradientChangesNothing) {
  const Reference reference("optimizer_adamw.txt");
  for (const float bad : {std::nanf(""), INFINITY}) {
    Model model(reference);
    Optimizer optimizer(plan_of("adamw", 3), model.set);
    auto gradients = model.gradients(reference, 0);
    std::vector<float> values(35, 0.5f);
    values[8] = bad;
    gradients[1] = Tensor::from<float>(model.context, {5, 7}, values);
    try {
      optimizer.step(gradients, 1e-2);
      FAIL();
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), "KT-NUM-021");
      EXPECT_EQ(fault.exit(), Exit::kNonFinite);
      EXPECT_THAT(fault.what(), HasSubstr("'rpn_head.rpn_conv.weight' has"));
      EXPECT_THAT(fault.what(), HasSubstr("at element 8; nothing was changed"));
    }
    EXPECT_EQ(optimizer.steps(), 0);
    for (const Made& made : kMade)
      EXPECT_EQ(model.set.find(made.name)->value.to_vector<float>(),
                reference.get<float>(std::string("start.") + made.name));
  }
}

TEST(Optimizer, LookingAheadShowsTheNextWeightsAndChangesNothing) {
  for (const char* kind : {"adamw", "sgd"}) {
    const Reference reference(fmt::format("optimizer_{}.txt", kind));
    Model plain(reference), looked(reference);
    Optimizer one(plan_of(kind, 3), plain.set), two(plan_of(kind, 3), looked.set);
    const auto weights = [](const Model& model) {
      std::vector<std::vector<float>> all;
      for (const Made& made : kMade)
        all.push_back(model.set.find(made.name)->value.to_vector<float>());
      return all;
    };
    for (int step = 0; step < 4; ++step) {
      std::vector<std::vector<float>> ahead;
      const auto before = weights(looked);
      ASSERT_TRUE(two.look_ahead(looked.gradients(reference, step), kRates[step],
                                 [&] { ahead = weights(looked); }));
      EXPECT_EQ(weights(looked), before);
      EXPECT_EQ(two.steps(), step);
      // Another direction in between leaves nothing behind either.
      ASSERT_TRUE(two.look_ahead(looked.gradients(reference, 4 - step), 1.0, [] {}));
      auto bad = looked.gradients(reference, step);
      bad[1] = Tensor::from<float>(looked.context, {5, 7}, std::vector<float>(35, INFINITY));
      EXPECT_FALSE(two.look_ahead(bad, kRates[step], [] { FAIL(); }));
      one.step(plain.gradients(reference, step), kRates[step]);
      EXPECT_EQ(ahead, weights(plain)) << kind << " " << step;
      two.step(looked.gradients(reference, step), kRates[step]);
      EXPECT_EQ(weights(looked), weights(plain)) << kind << " " << step;
      EXPECT_EQ(two.gradient_norm(), one.gradient_norm());
    }
  }
}

TEST(Optimizer, WrongGradientsAreErrors) {
  const Reference reference("optimizer_adamw.txt");
  Model model(reference);
  Optimizer optimizer(plan_of("sgd", 0), model.set);
  auto gradients = model.gradients(reference, 0);
  gradients[2] = Tensor::zeros(model.context, {4});
  EXPECT_THROW(optimizer.step(gradients, 1e-2), Error);
  gradients.pop_back();
  EXPECT_THROW(optimizer.step(gradients, 1e-2), Error);
}

LoadedCheckpoint saved(const Model& model, const Optimizer& optimizer) {
  test::SimulatedDisk disk;
  std::vector<NamedArray> arrays = parameter_arrays(model.set);
  for (const NamedArray& array : optimizer.state()) arrays.push_back(array);
  (void)write_checkpoint_file(disk, "x", arrays, {{"step", "2"}});
  return read_checkpoint_file(disk, "x");
}

// P3: two steps, a save, another process, three steps: the bits of five steps.
TEST(Optimizer, RestoredRunEndsInTheSameBits) {
  for (const char* kind : {"adamw", "sgd"}) {
    const Reference reference(fmt::format("optimizer_{}.txt", kind));
    Model whole(reference), first(reference), second(reference);
    Optimizer whole_optimizer(plan_of(kind, 3), whole.set);
    for (int step = 0; step < 5; ++step)
      whole_optimizer.step(whole.gradients(reference, step), kRates[step]);
    Optimizer before(plan_of(kind, 3), first.set);
    for (int step = 0; step < 2; ++step)
      before.step(first.gradients(reference, step), kRates[step]);
    const LoadedCheckpoint checkpoint = saved(first, before);
    for (Parameter& parameter : second.set.all())
      load_tensor(checkpoint, parameter.name, parameter.value);
    Optimizer after(plan_of(kind, 3), second.set);
    after.restore(checkpoint);
    EXPECT_EQ(after.steps(), 2);
    for (int step = 2; step < 5; ++step)
      after.step(second.gradients(reference, step), kRates[step]);
    for (const Made& made : kMade)
      EXPECT_EQ(second.set.find(made.name)->value.to_vector<float>(),
                whole.set.find(made.name)->value.to_vector<float>())
          << kind << " " << made.name;
  }
}

TEST(Optimizer, RestoreRefusesAnotherOptimizersState) {
  const Reference reference("optimizer_adamw.txt");
  Model model(reference);
  Optimizer adamw(plan_of("adamw", 0), model.set);
  const LoadedCheckpoint checkpoint = saved(model, adamw);
  Optimizer sgd(plan_of("sgd", 0), model.set);
  EXPECT_THROW(sgd.restore(checkpoint), Fault);
  // A parameter that trained then and is frozen now.
  Model other(reference);
  ParameterSet fewer;
  for (std::size_t i = 0; i < 3; ++i) {
    const Parameter& p = other.set.all()[i];
    fewer.add(p.name, p.value, p.kind);
  }
  Optimizer smaller(plan_of("adamw", 0), fewer);
  try {
    smaller.restore(checkpoint);
    FAIL();
  } catch (const Fault& fault) {
    EXPECT_THAT(fault.what(),
                HasSubstr("'optimizer.m.roi_head.norm.weight' belongs to no trainable"));
  }
}

TEST(Optimizer, AStepAllocatesNothing) {
  const Reference reference("optimizer_adamw.txt");
  Model model(reference);
  Optimizer optimizer(plan_of("adamw", 3), model.set);
  const auto gradients = model.gradients(reference, 0);
  optimizer.step(gradients, 1e-3);
  model.context->memory.reset_peak();
  const std::int64_t live = model.context->memory.usage().live_bytes;
  optimizer.step(gradients, 1e-3);
  EXPECT_EQ(model.context->memory.usage().peak_bytes, live);
  EXPECT_EQ(model.context->memory.usage().growths, 0);
}

TEST(Optimizer, NothingToTrainIsAnError) {
  ParameterSet set;
  EXPECT_THROW(Optimizer(plan_of("adamw", 0), set), Error);
}

TEST(Optimizer, GroupsAreCounted) {
  const Reference reference("optimizer_adamw.txt");
  Model model(reference);
  const Optimizer optimizer(plan_of("adamw", 0), model.set);
  const std::string text = optimizer.groups_text();
  EXPECT_THAT(text, HasSubstr("lr x0.1    decay x1         1 tensors          12 values"));
  EXPECT_THAT(text, HasSubstr("decay x0.5       1 tensors           6 values"));
}

}  // namespace
}  // namespace ktrain
