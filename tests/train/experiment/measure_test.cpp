#include "train/experiment/measure.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/experiment.h"
#include "tests/support/probe.h"
#include "tests/support/temporary_folder.h"
#include "train/divergence.h"
#include "train/monitor/probe_json.h"

namespace ktrain::experiment {
namespace {

using test::TemporaryFolder;

Design trial(std::int64_t from_step) {
  Design design = parse_design(test::experiment_text(2), "configs/trial.cfg");
  design.from_step = from_step;
  return design;
}

// One probe: cosine -.5 in visible.layer1 and .25 in thermal.layer1, norms 2 and 1 of detection, 1
// of the loss everywhere; weight .1.
std::string probe(std::int64_t step, double weight = 0.1) {
  ProbeRecord record =
      test::two_losses(test::gram_of(2, 1, -0.5), test::gram_of(2, 1, -0.5), weight);
  record.step = step;
  record.clip = 0.5;
  record.groups.push_back(
      {"thermal.layer1", 10, test::gram_of(1, 1, 0.25), test::gram_of(1, 1, 0.25), 0.75});
  // Not among the design's groups: no part of the tax.
  record.groups.push_back({"roi", 10, test::gram_of(9, 9, -1), test::gram_of(9, 9, -1), {}});
  return to_json(record) + "\n";
}

std::string window(std::int64_t step, std::int64_t probes, const std::string& cell) {
  return "{\"kind\":\"window\",\"step\":" + std::to_string(step) +
         ",\"epoch\":1,\"probes\":" + std::to_string(probes) +
         ",\"losses\":[\"det\",\"macl\"],\"groups\":{\"visible.layer1\":" + cell + "}}\n";
}

std::string value_cell(double value) {
  return "{\"xcos\":{\"det~macl\":{\"value\":" + std::to_string(value) +
         ",\"lo\":-1,\"hi\":1}},\"self\":{\"det\":0.5}}";
}

TEST(Measure, NumbersOfProbes) {
  TemporaryFolder temp;
  test::write_text(temp / "monitor.jsonl", probe(5, 100) + probe(10) + probe(20) + probe(30));
  const RunMeasure m = measure_run(temp.path(), "macl", trial(6));
  EXPECT_EQ(m.probes, 3);
  EXPECT_NEAR(m.pcos.at("visible.layer1"), -0.5, 1e-12);
  EXPECT_NEAR(m.pcos.at("thermal.layer1"), 0.25, 1e-12);
  EXPECT_EQ(m.pcos.count("roi"), 0U);
  // -w (-1 + .25) / (4 + 1)
  EXPECT_NEAR(*m.tax, 0.1 * 0.75 / 5, 1e-12);
  EXPECT_NEAR(m.group_tax.at("roi"), 0.1, 1e-12);
  EXPECT_NEAR(m.rv.at("thermal.layer1"), 0.75, 1e-12);
  EXPECT_NEAR(*m.clip, 0.5, 1e-12);
  EXPECT_FALSE(m.held_out);
  // Another loss than the run has: nothing, rather than zeros.
  EXPECT_EQ(measure_run(temp.path(), "dhn", trial(6)).probes, 0);
  EXPECT_FALSE(measure_run(temp.path(), "dhn", trial(6)).tax);
}

TEST(Measure, WindowsThatDoNotOverlapAndBeginAfterTheWarmUp) {
  TemporaryFolder temp;
  std::string log;
  for (std::int64_t i = 1; i <= 12; ++i) {
    log += probe(i);
    if (i == 4) log += window(4, 4, value_cell(0.9));     // begins in the warm-up
    if (i == 8) log += window(8, 6, value_cell(-0.1));    // probes 3 to 8
    if (i == 10) log += window(10, 4, value_cell(0.7));   // overlaps the last one
    if (i == 12) log += window(12, 4, value_cell(-0.3));  // probes 9 to 12
  }
  test::write_text(temp / "monitor.jsonl", log);
  const RunMeasure m = measure_run(temp.path(), "macl", trial(3));
  EXPECT_EQ(m.windows, 2);
  EXPECT_NEAR(m.xcos.at("visible.layer1"), (6 * -0.1 + 4 * -0.3) / 10, 1e-12);
  EXPECT_NEAR(m.self.at("visible.layer1"), 0.5, 1e-12);
}

TEST(Measure, BelowNoiseIsCountedAndNoNumber) {
  TemporaryFolder temp;
  test::write_text(temp / "monitor.jsonl",
                   probe(1) + window(1, 1, R"({"xcos":{"det~macl":{"below_noise":true}}})"));
  const RunMeasure m = measure_run(temp.path(), "macl", trial(1));
  EXPECT_EQ(m.xcos.count("visible.layer1"), 0U);
  EXPECT_EQ(m.below_noise.at("visible.layer1"), 1);
}

TEST(Measure, AlarmsHeldOutLossAndDrift) {
  TemporaryFolder temp;
  test::write_text(
      temp / "monitor.jsonl",
      probe(1) +
          R"({"kind":"alarm","step":2,"epoch":1,"level":"info","group":"roi","loss":"macl"})"
          "\n"
          R"({"kind":"alarm","step":3,"epoch":1,"level":"alarm","group":"roi","loss":"macl"})"
          "\n"
          R"({"kind":"alarm","step":3,"epoch":1,"level":"warn","group":"rpn","loss":"macl"})"
          "\n"
          R"({"kind":"alarm","step":4,"epoch":1,"level":"warn","group":"roi","loss":"macl"})"
          "\n"
          R"({"kind":"alarm","step":3,"epoch":1,"level":"warn","group":"roi","loss":"dhn"})"
          "\n"
          R"({"kind":"loo","step":1,"epoch":1,"loss":"macl","delta_det":[9],"mean":9.0})"
          "\n"
          R"({"kind":"loo","step":4,"epoch":1,"loss":"macl","delta_det":[1],"mean":1.0})"
          "\n"
          R"({"kind":"loo","step":5,"epoch":1,"loss":"macl","delta_det":[1,2],"mean":1.5,"lo":-4,"hi":7})"
          "\n"
          R"({"kind":"drift","step":6,"epoch":1,"layers":{"visible.layer1.0.conv1":{"kl95":0.25},)"
          R"("visible.layer2.0.conv1":{"kl95":0.5},"visible.layer4.0.conv1":{"kl95":7},)"
          R"("thermal.layer1.0.conv1":{"kl95":8}}})"
          "\n");
  const RunMeasure m = measure_run(temp.path(), "macl", trial(2));
  EXPECT_EQ(m.alarms, 1);
  EXPECT_EQ(m.warnings, 2);
  EXPECT_NEAR(*m.held_out, 1.5, 1e-12);
  EXPECT_NEAR(*m.drift, 0.5, 1e-12);
}

TEST(Measure, TheLastValidationAndOnlyFailuresOfItsOwnNumbers) {
  TemporaryFolder temp;
  EXPECT_FALSE(measure_validation(temp.path()).map);
  test::write_text(temp / "scalars.jsonl",
                   "{\"kind\":\"validation\",\"step\":4,\"map\":0.25}\n"
                   "{\"kind\":\"train\",\"step\":8,\"map\":0.9}\n"
                   "{\"kind\":\"validation\",\"step\":8,\"map\":0.5,\"recall\":null,"
                   "\"fingerprint\":\"val\"}\n{\"kind\":\"valid");
  const RunMeasure m = measure_run(temp.path(), "macl", trial(1));
  EXPECT_EQ(m.step, 8);
  EXPECT_EQ(m.map, 0.5);
  EXPECT_FALSE(m.recall);
  EXPECT_EQ(m.probes, 0);  // no monitor.jsonl
  EXPECT_EQ(divergence_of(temp.path()), "");
  test::write_text(temp / "STATUS", R"({"state":"failed","message":"KT-IO-001: disk full"})");
  EXPECT_EQ(divergence_of(temp.path()), "");
  // A plan that does not do what it says is no result.
  test::write_text(temp / "STATUS", R"({"state":"failed","message":"KT-NUM-007: not applied"})");
  EXPECT_EQ(divergence_of(temp.path()), "");
  test::write_text(temp / "STATUS", R"({"state":"failed","message":"KT-NUM-001: loss is nan"})");
  EXPECT_EQ(divergence_of(temp.path()), "KT-NUM-001: loss is nan");
}

}  // namespace
}  // namespace ktrain::experiment
