// T20: controls with known answers, from a plan to the alarms: what pulls against detection must be
// reported at the highest level, a copy of detection never, random signs in few seeds.
#include <cmath>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/monitored_steps.h"
#include "train/monitor/alarm.h"

namespace ktrain::test {
namespace {

// One epoch of 48 steps, each probed. The weight is not seen by cosines; it makes the planted
// conflict cancel a fifth of detection's progress.
const std::vector<std::string> kPlan =
    with(kEveryStep, {"data.synth.train_pairs=96", "train.epochs=1", "loss.planted.weight=2",
                      "monitor.half_every=2"});
constexpr std::size_t kProbes = 48;

struct Said {
  std::size_t probes = 0;
  std::vector<Alarm> alarms;
  double least = 1;  // of all cosines of the planted loss with detection
};

// The run as `ktrain` takes it, read back from its folder.
Said run(TinyRun& tiny, const std::vector<std::string>& overrides) {
  EXPECT_EQ(tiny.train(overrides), 0) << tiny.output();
  const MonitorLog log = read_monitor_log(tiny.run_folder());
  Said said{log.probes.size(), {}};
  for (const ProbeRecord& probe : log.probes)
    for (const GroupGram& group : probe.groups)
      if (group.raw(1, 1) > 0) said.least = std::min(said.least, cosine(group.raw));
  for (const MonitorLine& line : log.others)
    if (line.kind == "alarm")
      said.alarms.push_back(alarm_from_json(line.text, log.file, line.number));
  return said;
}

// T20.
TEST(PlantedRun, AConflictRaisesTheHighestAlarm) {
  TinyRun tiny;
  const Said said =
      run(tiny, with(kPlan, {"loss.planted.kind=negative_det", "loss.planted.weight=1"}));
  ASSERT_EQ(said.probes, kProbes);
  std::set<std::string> spoken, highest;
  for (const Alarm& alarm : said.alarms) {
    EXPECT_EQ(alarm.loss, "planted");
    EXPECT_NEAR(alarm.mean, -1, 1e-4) << alarm.group;
    EXPECT_NEAR(alarm.tax.value(), 0.1, 1e-4) << alarm.group;
    EXPECT_TRUE(alarm.level == AlarmLevel::kWarn || alarm.level == AlarmLevel::kAlarm);
    spoken.insert(alarm.group);
    if (alarm.level == AlarmLevel::kAlarm) highest.insert(alarm.group);
  }
  // In some groups noise is so large that the halves of a batch differ as well: a warning.
  EXPECT_GE(spoken.size(), 11u);
  EXPECT_GE(highest.size(), 5u);
  EXPECT_NE(tiny.output().find("planted pulls against detection"), std::string::npos);
  EXPECT_NE(tiny.read("report.txt").find(" alarm"), std::string::npos);
}

// T20.
TEST(PlantedRun, ACopyOfDetectionNeverAlarms) {
  for (const int seed : {1, 2, 3, 4, 5}) {
    TinyRun tiny;
    const Said said =
        run(tiny, with(kPlan, {"loss.planted.kind=copy_det", fmt::format("seed={}", seed)}));
    EXPECT_EQ(said.probes, kProbes);
    EXPECT_TRUE(said.alarms.empty()) << "seed " << seed << ": " << said.alarms[0].text;
    EXPECT_NEAR(said.least, 1, 1e-4) << "seed " << seed;
  }
}

// P(X > most) of a binomial.
double binomial_above(int most, int n, double p) {
  double below = 0, term = std::pow(1 - p, n);
  for (int k = 0; k <= most; ++k) {
    below += term;
    term *= static_cast<double>(n - k) / (k + 1) * p / (1 - p);
  }
  return 1 - below;
}

// T20: 5 % of runs may speak, at any level. Four of 24 are refused for a rule that keeps to it
// in 2.98 % and found in 97.5 % of rules that speak in every third run.
// `scripts/random_sign_control.sh` takes 100 seeds through the program.
TEST(PlantedRun, RandomSignsAreSilentInMostSeeds) {
  constexpr int kSeeds = 24, kMost = 3;
  EXPECT_LT(binomial_above(kMost, kSeeds, 0.05), 0.03);
  EXPECT_GT(binomial_above(kMost, kSeeds, 1.0 / 3), 0.97);
  const TinyRun tiny;
  int spoke = 0;
  double sum = 0, cells = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const Steps steps =
        train(tiny, with(kPlan, {"loss.planted.kind=random_sign", fmt::format("seed={}", seed)}),
              kProbes);
    ASSERT_EQ(steps.probes.size(), kProbes);
    spoke += steps.of_kind("alarm").empty() ? 0 : 1;
    for (const ProbeRecord& probe : steps.probes)
      for (const GroupGram& group : probe.groups)
        if (group.raw(1, 1) > 0) {
          sum += cosine(group.raw);
          ++cells;
        }
  }
  EXPECT_LE(spoke, kMost);
  // Silent because there is nothing to say: ten groups by 48 probes by 24 seeds.
  EXPECT_EQ(cells, 10.0 * kProbes * kSeeds);
  EXPECT_LT(std::abs(sum / cells), 0.01);
  RecordProperty("seeds_that_spoke", spoke);
}

}  // namespace
}  // namespace ktrain::test
