// T10: an auxiliary loss with cosine 0 still slows detection, by what its noise adds to AdamW's
// second moment; opt/rv says by how much.
#include <array>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "tests/support/monitored_steps.h"
#include "tests/support/probe.h"
#include "train/monitor/monitor.h"

namespace ktrain::test {
namespace {

constexpr std::int64_t kElements = 2000, kSteps = 600, kSettled = 300;

Plan toy_plan() {
  Plan plan;
  plan.monitor.interval = 1;
  plan.monitor.burst = 0;
  plan.monitor.budget_pct = 1e9;
  plan.monitor.sketch = plan.monitor.half_every = plan.monitor.real_every = 0;
  plan.monitor.loo_every = 0;
  plan.optimizer.weight_decay = 0;
  plan.optimizer.clip = 0;
  return plan;
}

struct Outcome {
  double progress = 0;  // mean step against the mean of detection's gradient, over the rate
  double rv = 0;        // of the last probe
};

// Weights under two linear losses whose gradients are drawn anew in every step: detection's from
// N(.1, .2^2), the auxiliary one's from N(0, noise^2), independent of each other.
Outcome run(double noise) {
  constexpr double kRate = 1e-4;
  const Plan plan = toy_plan();
  const ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  const Tensor x = parameters.add("fusion.0.weight", Tensor::zeros(context, {1, kElements}),
                                  ParameterKind::kWeight);
  Optimizer optimizer(plan.optimizer, parameters);
  Monitor monitor(plan, context, parameters, optimizer, {"roi_cls", "planted"}, 1);
  const Timeline timeline{1, kSteps};
  Outcome outcome;
  const auto sum = [&] {
    const std::vector<float> values = x.to_vector<float>();
    return std::accumulate(values.begin(), values.end(), 0.0);
  };
  double settled = 0;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const RandomKey key{7, 910, static_cast<std::uint32_t>(step)};
    std::vector<float> of_det(kElements), of_aux(kElements);
    for (std::uint32_t i = 0; i < kElements; ++i) {
      of_det[i] = static_cast<float>(0.1 + 0.2 * normal_of(key, 0, i));
      of_aux[i] = static_cast<float>(noise * normal_of(key, 1, i));
    }
    const auto loss = [&](const std::vector<float>& gradient) {
      return reshape(linear(x, Tensor::from<float>(context, {1, kElements}, gradient), {}), {1});
    };
    const std::vector<LossTerm> terms = {{"roi_cls", loss(of_det), 1.0},
                                         {"planted", loss(of_aux), 1.0}};
    if (step == kSettled) settled = sum();
    EXPECT_TRUE(monitor.begin_step(step, timeline));
    const auto gradients = monitor.walk(terms, form_total(terms), {}, {0, 0});
    optimizer.step(gradients, kRate, {}, monitor.observer(gradients));
    const MonitorOutput out = monitor.end_step(step, timeline, kRate, {0, 0});
    outcome.rv = probe_from_json(out.lines.at(0), "memory", 1).groups.at(0).rv.value();
  }
  outcome.progress = (settled - sum()) / (kRate * kElements * (kSteps - kSettled));
  return outcome;
}

// T10.
TEST(SecondMoment, NoiseAtCosineZeroSlowsAdamWByTheRatioThatRvSays) {
  const Outcome alone = run(0);
  // mean / sqrt(mean^2 + noise^2) = .447 for AdamW with settled moments.
  EXPECT_NEAR(alone.progress, 0.1 / std::sqrt(0.05), 0.01);
  EXPECT_EQ(alone.rv, 1);
  struct Answer {
    double noise, ratio;
  };
  for (const Answer& answer : {Answer{0.1, 0.913}, Answer{0.2, 0.745}, Answer{0.4, 0.488}}) {
    EXPECT_NEAR(std::sqrt(0.05 / (0.05 + answer.noise * answer.noise)), answer.ratio, 5e-4);
    const Outcome found = run(answer.noise);
    // 2000 weights over 300 steps: a sampling deviation of .003 at most; a second moment of some
    // hundred samples is off by less than 2 %, which mostly cancels in the ratio.
    EXPECT_NEAR(found.progress / alone.progress, answer.ratio, 0.012) << answer.noise;
    // Squares of 2000 weights over 19 probes (decay .9): sqrt(2 / 38000) / 2 = .004, three times.
    EXPECT_NEAR(found.rv, answer.ratio, 0.011) << answer.noise;
  }
}

// In a real run the answer is exact where the auxiliary loss is a multiple of detection: the total
// is (1 + weight factor) times detection in every group.
TEST(SecondMoment, OfAPlantedMultipleIsItsInverse) {
  const TinyRun tiny;
  struct Planted {
    std::string kind;
    double weight, rv;
  };
  for (const Planted& planted :
       {Planted{"copy_det", 1, 1 / 2.0}, Planted{"copy_det", 0.25, 1 / 1.25},
        Planted{"negative_det", 3, 1 / 0.7}, Planted{"negative_det", 12, 1 / 0.2}}) {
    const Steps steps =
        train(tiny,
              with(kEveryStep, {"loss.planted.kind=" + planted.kind,
                                fmt::format("loss.planted.weight={}", planted.weight)}),
              4);
    ASSERT_EQ(steps.probes.size(), 4u);
    for (const ProbeRecord& probe : steps.probes)
      for (const GroupGram& group : probe.groups) {
        ASSERT_TRUE(group.rv.has_value()) << group.group;
        EXPECT_NEAR(*group.rv, planted.rv, 1e-4 * planted.rv) << planted.kind << group.group;
      }
  }
}

}  // namespace
}  // namespace ktrain::test
