// The controls of MACL in training steps: what they take away, and what they leave as it was.
#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/monitored_steps.h"

namespace ktrain::test {
namespace {

const std::vector<std::string> kMacl =
    with(kEveryStep, {"loss.macl.weight=0.5", "loss.macl.rows=4", "loss.macl.hidden=16",
                      "loss.macl.channels=8", "model.roi.positive_share=0.5", "optimizer.kind=sgd",
                      "optimizer.lr=0.01", "optimizer.clip=0", "optimizer.weight_decay=0"});

bool of_head(const std::string& name) { return name.starts_with("aux."); }

TEST(MaclControl, ProjectorOnlyTrainsTheHeadsAndNothingElse) {
  const TinyRun tiny;
  const Steps steps = train(tiny, with(kMacl, {"loss.macl.control=projector_only"}), 4);
  ASSERT_EQ(steps.probes.size(), 4u);
  for (const ProbeRecord& probe : steps.probes) {
    ASSERT_EQ(probe.losses.at(1), "macl");
    EXPECT_GT(probe.values[1], 0);
    int trunk = 0, heads = 0;
    for (const GroupGram& group : probe.groups) {
      ++(of_head(group.group) ? heads : trunk);
      if (of_head(group.group))
        EXPECT_GT(group.raw(1, 1), 0) << group.group;
      else
        EXPECT_EQ(group.raw(1, 1), 0) << group.group << ": exactly";
    }
    EXPECT_EQ(heads, 1);
    EXPECT_EQ(trunk, 13);
    for (const FeatureGram& feature : probe.features)
      EXPECT_EQ(feature.raw(1, 1), 0) << feature.name;
  }
}

// And so the detector trains as without the loss, to the bit, while the heads move.
TEST(MaclControl, ProjectorOnlyLeavesTheDetectorAsItWasToTheBit) {
  const TinyRun tiny;
  RunSetup control(load_plan(tiny.plan(), with(kMacl, {"loss.macl.control=projector_only"})),
                   [](const std::string&) {});
  RunSetup measured(
      load_plan(tiny.plan(), with(kMacl, {"loss.macl.weight=0", "loss.macl.measure=true"})),
      [](const std::string&) {});
  (void)take(control, 0, 4);
  (void)take(measured, 0, 4);
  int heads = 0;
  for (const Parameter& parameter : control.training().parameters().all()) {
    const auto other =
        measured.training().parameters().find(parameter.name)->value.to_vector<float>();
    if (of_head(parameter.name))
      heads += parameter.value.to_vector<float>() != other ? 1 : 0;
    else
      EXPECT_EQ(parameter.value.to_vector<float>(), other) << parameter.name;
  }
  EXPECT_EQ(heads, 8) << "two layers for each stream";
}

double side(const StepReport& report, const std::string& name) {
  for (const SideNumber& number : report.side)
    if (number.name == name) return number.read();
  ADD_FAILURE() << "no side number " << name;
  return NAN;
}

// The same pairs in the same numbers, with another partner each: no pair is its own nearest by
// meaning. A gradient of the size of the true one still reaches both streams.
TEST(MaclControl, ShuffledKeepsCountsAndSizes) {
  const TinyRun tiny;
  RunSetup plain(load_plan(tiny.plan(), kMacl), [](const std::string&) {});
  RunSetup shuffled(load_plan(tiny.plan(), with(kMacl, {"loss.macl.control=shuffled"})),
                    [](const std::string&) {});
  const StepReport a = plain.train_step(0), b = shuffled.train_step(0);
  for (const char* count : {"macl_pairs", "macl_anchors", "macl_negatives_min",
                            "macl_negatives_mean", "macl_temperature"})
    EXPECT_EQ(side(a, count), side(b, count)) << count;
  EXPECT_GT(side(b, "macl_anchors"), 2);
  EXPECT_NE(a.values.terms[4], b.values.terms[4]);
  for (std::size_t term = 0; term < 4; ++term)
    EXPECT_EQ(a.values.terms[term], b.values.terms[term]) << "detection is the same";
  const ProbeRecord one = probe_from_json(a.monitor.lines.at(0), "memory", 1);
  const ProbeRecord two = probe_from_json(b.monitor.lines.at(0), "memory", 1);
  int groups = 0;
  for (std::size_t g = 0; g < one.groups.size(); ++g) {
    if (one.groups[g].raw(1, 1) == 0) continue;
    ++groups;
    const double ratio = std::sqrt(two.groups[g].raw(1, 1) / one.groups[g].raw(1, 1));
    EXPECT_GT(ratio, 0.2) << one.groups[g].group;
    EXPECT_LT(ratio, 5.0) << one.groups[g].group;
  }
  EXPECT_EQ(groups, 11);
}

}  // namespace
}  // namespace ktrain::test
