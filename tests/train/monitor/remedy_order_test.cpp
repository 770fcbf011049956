// PCGrad among three losses at work: it takes conflicts out in an order that is drawn anew in every
// step, and a run that goes on draws the same ones.
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/monitored_steps.h"
#include "train/monitor/live_remedy.h"
#include "train/monitor/solvers.h"

namespace ktrain::test {
namespace {

constexpr std::int64_t kSteps = 10, kCut = 4;

const std::vector<std::string> kThree =
    with(kEveryStep,
         {"loss.macl.weight=0.5", "loss.macl.rows=4", "loss.macl.hidden=16", "loss.macl.channels=8",
          "model.roi.positive_share=0.5", "loss.planted.kind=random_sign", "loss.planted.weight=2",
          "remedy.kind=pcgrad", "remedy.mode=live"});

std::map<std::string, std::vector<double>> weights_of(const std::string& line) {
  std::map<std::string, std::vector<double>> weights;
  const auto json = nlohmann::json::parse(line);
  for (const auto& [group, answer] : json["groups"].items())
    weights[group] = answer["weights"].get<std::vector<double>>();
  return weights;
}

// Which of the 2^3 orders of three losses give these weights; bit i: loss i meets the later of the
// others first.
std::set<int> orders_of(const Gram& raw, const std::vector<double>& w,
                        const std::vector<double>& found) {
  Gram weighted(3);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = i; j < 3; ++j) weighted(i, j) = w[i] * w[j] * raw(i, j);
  std::set<int> fit;
  for (int bits = 0; bits < 8; ++bits) {
    std::vector<std::vector<std::size_t>> order = {{1, 2}, {0, 2}, {0, 1}};
    for (std::size_t i = 0; i < 3; ++i)
      if ((bits >> i) % 2) std::swap(order[i][0], order[i][1]);
    const auto alpha = solvers::pcgrad(weighted, order);
    bool same = true;
    for (std::size_t i = 0; i < 3; ++i)
      same = same && std::abs(w[i] * alpha[i] - found[i]) <= 1e-12 * std::abs(found[i]);
    if (same) fit.insert(bits);
  }
  return fit;
}

TEST(RemedyOrder, OfThreeLossesIsDrawnInEveryStepAndIsWhatTrains) {
  const TinyRun tiny;
  const ResolvedPlan resolved = load_plan(tiny.plan(), kThree);
  RunSetup setup(resolved, [](const std::string&) {});
  const Steps steps = take(setup, 0, kSteps);
  const std::vector<std::string> lines = steps.of_kind("remedy");
  ASSERT_EQ(steps.probes.size(), static_cast<std::size_t>(kSteps));
  ASSERT_EQ(lines.size(), steps.probes.size());
  const RemedyOptions options =
      remedy_options(resolved.plan.remedy, static_cast<std::uint64_t>(resolved.plan.seed));
  std::map<std::string, std::set<int>> always;  // by group: orders that would fit every step so far
  int telling = 0;
  for (std::size_t s = 0; s < lines.size(); ++s) {
    const ProbeRecord& probe = steps.probes[s];
    ASSERT_EQ(probe.losses, (std::vector<std::string>{"det", "macl", "planted"}));
    const auto weights = weights_of(lines[s]);
    double square = 0;
    for (const GroupGram& group : probe.groups) {
      const std::vector<double>& e = weights.at(group.group);
      for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j) square += e[i] * e[j] * group.raw(i, j);
      if (!(group.raw(0, 0) > 0 && group.raw(1, 1) > 0 && group.raw(2, 2) > 0)) continue;
      const std::set<int> fit = orders_of(group.raw, probe.weights, e);
      EXPECT_FALSE(fit.empty()) << group.group << " in step " << probe.step;
      telling += fit.size() < 8 ? 1 : 0;
      if (!always.contains(group.group)) always[group.group] = {0, 1, 2, 3, 4, 5, 6, 7};
      std::erase_if(always[group.group], [&](int bits) { return !fit.contains(bits); });
    }
    // The gradient that was clipped and taken is that sum.
    EXPECT_NEAR(probe.gradient_norm, std::sqrt(square), 1e-4 * std::sqrt(square));
    // The order is a function of seed, step and group alone: a remedy without a past agrees.
    for (const GroupWeights& answer : Remedy(options).solve(probe))
      EXPECT_EQ(answer.weights, weights.at(answer.group)) << answer.group;
  }
  EXPECT_EQ(always.size(), 10u);
  EXPECT_GT(telling, 20) << "steps and groups in which the order matters";
  int moved = 0;
  for (const auto& [group, orders] : always) moved += orders.empty() ? 1 : 0;
  EXPECT_GT(moved, 5) << "groups in which no single order explains all steps";
}

TEST(RemedyOrder, ARunThatGoesOnDrawsTheSameOrders) {
  const TinyRun tiny;
  const ResolvedPlan resolved = load_plan(tiny.plan(), kThree);
  const Notice quiet = [](const std::string&) {};
  RunSetup whole(resolved, quiet);
  (void)take(whole, 0, kCut);
  const TemporaryFolder folder;
  const std::string path = folder / "step.safetensors";
  save_state(whole, path);
  const Steps want = take(whole, kCut, kSteps);
  RunSetup again(resolved, quiet);
  restore_state(again, path, kCut);
  const Steps got = take(again, kCut, kSteps);
  EXPECT_EQ(got.losses, want.losses);
  EXPECT_EQ(got.of_kind("remedy"), want.of_kind("remedy"));
  EXPECT_EQ(got.of_kind("remedy").size(), static_cast<std::size_t>(kSteps - kCut));
  EXPECT_EQ(got.probes, want.probes);
}

}  // namespace
}  // namespace ktrain::test
