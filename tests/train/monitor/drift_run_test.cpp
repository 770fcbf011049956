// Drift of whole runs of a small plan, and of their checkpoints.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/tiny_run.h"
#include "train/drift_command.h"
#include "train/monitor/anchors.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

std::vector<Json> records(const std::string& text, const std::string& kind) {
  std::vector<Json> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    Json json = Json::parse(line);
    json.erase("seconds");
    if (json["kind"] == kind) out.push_back(std::move(json));
  }
  return out;
}

std::string weights(const TinyRun& tiny, std::int64_t step) {
  return tiny.run_folder() + "/weights/" + TinyRun::step_name(step);
}

std::string fault_of(const DriftOptions& options) {
  std::ostringstream out;
  try {
    run_drift(options, out);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "no fault";
}

TEST(DriftRun, AutoFollowsTheLossesAndTheMonitor) {
  const std::vector<std::string> macl = {"train.epochs=1",       "loss.macl.weight=0.01",
                                         "loss.macl.rows=4",     "loss.macl.hidden=16",
                                         "loss.macl.channels=8", "monitor.profile=watch"};
  TinyRun on;
  ASSERT_EQ(on.train(macl), 0) << on.output();
  EXPECT_FALSE(records(on.read("monitor.jsonl"), "drift").empty());
  std::vector<std::string> off = macl;
  off.back() = "monitor.profile=off";
  TinyRun without;
  ASSERT_EQ(without.train(off), 0) << without.output();
  EXPECT_TRUE(records(without.read("monitor.jsonl"), "drift").empty());
  // Asked for by name it is measured whatever the profile.
  off.emplace_back("monitor.drift=on");
  TinyRun asked;
  ASSERT_EQ(asked.train(off), 0) << asked.output();
  EXPECT_FALSE(records(asked.read("monitor.jsonl"), "drift").empty());
}

TEST(DriftRun, MeasuringChangesNoBitOfTraining) {
  TinyRun without, with;
  ASSERT_EQ(without.train(), 0);
  ASSERT_EQ(with.train({"monitor.drift=on", "monitor.drift_every=3"}), 0);
  EXPECT_EQ(TinyRun::state_hash(with.run_folder(), 12),
            TinyRun::state_hash(without.run_folder(), 12));
  for (const char* const name : {"val/epoch_01/detections.txt", "val/epoch_03/detections.txt"})
    EXPECT_EQ(with.read(name), without.read(name));
  EXPECT_TRUE(records(without.read("monitor.jsonl"), "drift").empty());
  EXPECT_THAT(with.output(), HasSubstr("drift     against #"));

  const std::vector<Json> drifts = records(with.read("monitor.jsonl"), "drift");
  std::vector<std::int64_t> steps;
  for (const Json& drift : drifts) steps.push_back(drift["step"]);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{3, 4, 6, 8, 9, 12}));
  EXPECT_EQ(drifts[2]["epoch"], 2);
  EXPECT_TRUE(drifts[0]["groups"].empty());
  for (const Json& drift : drifts) {
    // The stem is frozen and nothing comes before it; what follows trains.
    for (const char* const key : {"z95", "r95", "kl95"})
      EXPECT_EQ(drift["layers"]["visible.stem.conv1"][key], 0);
    EXPECT_GT(drift["layers"]["visible.layer1.1.conv2"]["kl95"], 0);
  }
  const Json& groups = drifts.back()["groups"];
  EXPECT_EQ(groups["visible.stem"]["dw"], 0);
  for (const char* const name : {"visible.layer1", "thermal.layer4", "visible.neck"}) {
    EXPECT_GT(groups[name]["dw"], 0) << name;
    EXPECT_GT(groups[name]["proc"], 0) << name;
    EXPECT_LT(groups[name]["cka"], 1) << name;
    EXPECT_GE(groups[name]["erank"], 1) << name;
  }
  for (const char* const name : {"fusion", "rpn", "roi"}) EXPECT_GT(groups[name]["dw"], 0) << name;
  const std::vector<Json> embeddings = records(with.read("monitor.jsonl"), "embedding");
  ASSERT_EQ(embeddings.size(), 3u);
  EXPECT_EQ(embeddings[0]["source"], "roi");
  EXPECT_GT(embeddings[0]["boxes"], 1);
}

TEST(DriftRun, WeightsThatDoNotMoveDoNotDrift) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"monitor.drift=on", "optimizer.lr=0", "model.norm=frozen", "train.epochs=1",
                        "optimizer.weight_decay=0", "schedule.kind=constant"}),
            0);
  const std::vector<Json> drifts = records(tiny.read("monitor.jsonl"), "drift");
  ASSERT_EQ(drifts.size(), 1u);
  for (const auto& [name, layer] : drifts[0]["layers"].items())
    for (const char* const key : {"z95", "r95", "kl50", "kl95"})
      EXPECT_EQ(layer.value(key, 0.0), 0) << name << ' ' << key;
  for (const auto& [name, group] : drifts[0]["groups"].items()) {
    EXPECT_EQ(group["dw"], 0) << name;
    EXPECT_NEAR(group.value("cka", 1.0), 1, 1e-9) << name;
    EXPECT_NEAR(group.value("proc", 0.0), 0, 1e-9) << name;
  }
}

TEST(DriftRun, ARunThatWasCutGoesOnWithTheSameReferenceAndTheSameRecords) {
  const std::vector<std::string> keys = {"monitor.drift=on", "monitor.drift_every=3",
                                         "train.checkpoint_every=5", "train.keep=9"};
  TinyRun whole, cut;
  ASSERT_EQ(whole.train(keys), 0);
  ASSERT_EQ(cut.train(keys), 0);
  // As if it had died in step 6 or later: records are there of steps that are not.
  for (const std::int64_t step : {8, 10, 12}) fs::remove(weights(cut, step));
  ASSERT_EQ(cut.train(keys), 0);
  EXPECT_THAT(cut.output(), HasSubstr("resume    step 5 of 12"));
  EXPECT_THAT(cut.output(), HasSubstr("drift     against #"));
  for (const char* const kind : {"drift", "embedding"})
    EXPECT_TRUE(records(cut.read("monitor.jsonl"), kind) ==
                records(whole.read("monitor.jsonl"), kind))
        << kind;
  EXPECT_EQ(records(cut.read("monitor.jsonl"), "drift").size(), 6u);
  EXPECT_EQ(TinyRun::state_hash(cut.run_folder(), 12), TinyRun::state_hash(whole.run_folder(), 12));
}

TEST(DriftRun, ARunThatBeganWithoutHasNothingToCompareWith) {
  TinyRun tiny;
  const std::vector<std::string> steps = {"train.checkpoint_every=5", "train.keep=9"};
  ASSERT_EQ(tiny.train(steps), 0);
  for (const std::int64_t step : {8, 10, 12}) fs::remove(weights(tiny, step));
  std::vector<std::string> keys = steps;
  keys.emplace_back("monitor.drift=on");
  try {
    tiny.train(keys);
    ADD_FAILURE() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_THAT(fault.what(), HasSubstr("KT-CFG-008: monitor.drift: this run began without it"));
  }
  // With a file it can.
  keys.push_back("monitor.reference=" + weights(tiny, 4));
  ASSERT_EQ(tiny.train(keys), 0);
  EXPECT_EQ(records(tiny.read("monitor.jsonl"), "drift").size(), 2u);  // ends of epochs 2 and 3
}

TEST(DriftRun, AFileIsTheSameReferenceAsStartingFromIt) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string file = tiny.run_folder() + "/first.safetensors";
  fs::copy(weights(tiny, 12), file);
  const std::vector<std::string> start = {"monitor.drift=on", "init.checkpoint=" + file,
                                          "train.epochs=1"};
  const auto run = [&](std::vector<std::string> keys, const std::string& folder) {
    keys.push_back("output.dir=" + folder);
    EXPECT_EQ(tiny.train(keys), 0);
    return records(read_text(folder + "/monitor.jsonl"), "drift");
  };
  const std::vector<Json> own = run(start, tiny.runs() + "/own");
  std::vector<std::string> named = start;
  named.push_back("monitor.reference=" + file);
  EXPECT_EQ(run(named, tiny.runs() + "/named"), own);
  ASSERT_EQ(own.size(), 1u);
  EXPECT_GT(own[0]["groups"]["visible.layer2"]["dw"], 0);
  // What the command says about the same two files is what the run measured.
  DriftOptions options;
  options.subject = tiny.runs() + "/own/weights/" + TinyRun::step_name(4);
  options.reference = file;
  options.json = true;
  std::ostringstream out;
  ASSERT_EQ(run_drift(options, out), 0);
  const std::vector<Json> told = records(out.str(), "drift");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0]["groups"], own[0]["groups"]);
  EXPECT_EQ(told[0]["layers"], own[0]["layers"]);
  EXPECT_EQ(told[0]["step"], 4);
}

TEST(DriftCommand, ComparesACheckpointWithItselfAndRefusesStrangers) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"train.epochs=1"}), 0);
  DriftOptions options;
  options.subject = tiny.run_folder();
  options.reference = weights(tiny, 4);
  std::ostringstream out;
  ASSERT_EQ(run_drift(options, out), 0);
  EXPECT_THAT(out.str(), HasSubstr("anchors   3 pairs"));
  EXPECT_THAT(out.str(),
              testing::ContainsRegex("visible.layer2 +0.0000 +0.0000 +0.0000 +0.0000 +1.0000"));
  EXPECT_THAT(out.str(), HasSubstr("RoI features before fusion"));

  options.overrides = {"model.width=0.125"};
  EXPECT_THAT(fault_of(options), HasSubstr("KT-CKPT-006"));
  options.overrides.clear();
  options.reference = tiny.run_folder() + "/nothing.safetensors";
  EXPECT_THAT(fault_of(options), HasSubstr("KT-CKPT-005"));
  options.subject = tiny.run_folder() + "/run.cfg";  // a file, in no weights/ of a run
  EXPECT_THAT(fault_of(options), HasSubstr("KT-CLI-001"));
}

TEST(AnchorsTest, AreSpreadOverBrightnessAndDependOnTheListAlone) {
  TinyRun tiny;
  ASSERT_EQ(tiny.run([&] {
    RunCommand command = tiny.command({"data.synth.train_pairs=40", "data.synth.night=0.5"});
    command.dry_run = true;
    return command;
  }()),
            0);
  DataPlan plan;
  plan.preset = "synth";
  plan.root = tiny.data();
  plan.synth = {
      .train_pairs = 40, .val_pairs = 3, .size = {64, 64}, .night = 0.5, .empty = 0.0, .seed = 5};
  plan.size = {64, 64};
  const DataSet data = open_data_set(plan, 1, [](const std::string&) {});
  const PairIndex& list = data.train.index;
  const Anchors anchors = choose_anchors(list, *data.folder, 10);
  ASSERT_EQ(anchors.index.size(), 10);
  EXPECT_EQ(choose_anchors(list, *data.folder, 10).ids(), anchors.ids());
  EXPECT_EQ(anchors_of(list, anchors.ids()).manifest_hash(), anchors.index.manifest_hash());
  EXPECT_THROW((void)anchors_of(list, "nobody\n"), Error);
  // Every one has a pedestrian; each tenth of the brightness has one anchor.
  const Anchors all = choose_anchors(list, *data.folder, list.size());
  EXPECT_EQ(all.index.size(), list.size());
  std::vector<double> sorted = all.brightness, chosen = anchors.brightness;
  std::sort(sorted.begin(), sorted.end());
  std::sort(chosen.begin(), chosen.end());
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    EXPECT_GE(chosen[i], sorted[i * sorted.size() / 10]) << i;
    EXPECT_LE(chosen[i], sorted[(i + 1) * sorted.size() / 10 - 1]) << i;
  }
  EXPECT_LT(chosen.front(), chosen.back());
}

}  // namespace
}  // namespace ktrain::test
