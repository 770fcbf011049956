// Whole runs and `ktrain bench-step` on the emulated GPU, as a plan or a command asks for them.
#include <cmath>
#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/tiny_run.h"
#include "train/bench_step_command.h"

namespace ktrain::test {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kPlan = {"optimizer.kind=sgd", "optimizer.lr=0.01", "train.epochs=2",
                                        "threads=1"};

std::vector<std::string> on(const std::string& device, std::vector<std::string> more = {}) {
  more.insert(more.end(), kPlan.begin(), kPlan.end());
  more.push_back("device=" + device);
  return more;
}

// The "train" lines of a run: what a person sees of its steps.
std::vector<nlohmann::json> train_lines(const TinyRun& run) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(run.read("scalars.jsonl"));
  for (std::string line; std::getline(text, line);)
    if (auto json = nlohmann::json::parse(line); json["kind"] == "train")
      lines.push_back(std::move(json));
  return lines;
}

TEST(DeviceRun, APlanTrainsValidatesAndSavesAsOnTheCpu) {
  TinyRun cpu, gpu;
  ASSERT_EQ(cpu.train(on("cpu")), 0) << cpu.output();
  ASSERT_EQ(gpu.train(on("cuda")), 0) << gpu.output();
  EXPECT_THAT(gpu.output(), HasSubstr("device    emulation on the CPU"));
  EXPECT_THAT(gpu.output(), HasSubstr("device cuda"));
  const auto want = train_lines(cpu), got = train_lines(gpu);
  ASSERT_EQ(got.size(), want.size());
  ASSERT_EQ(got.size(), 4u) << "every second of eight steps";
  for (std::size_t i = 0; i < got.size(); ++i)
    for (const char* const key : {"step", "loss", "rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox",
                                  "gradient_norm", "lr", "weight_rpn_cls"}) {
      const double a = got[i][key], b = want[i][key];
      EXPECT_NEAR(a, b, 1e-3 * std::abs(b) + 1e-7) << key << " of line " << i;
    }
}

TEST(DeviceRun, TwoRunsSaveTheSameBits) {
  TinyRun a, b;
  ASSERT_EQ(a.train(on("cuda")), 0) << a.output();
  ASSERT_EQ(b.train(on("auto")), 0) << b.output();
  EXPECT_EQ(TinyRun::state_hash(a.run_folder(), 8), TinyRun::state_hash(b.run_folder(), 8));
}

// With losses beside the detector's that warm up, a queue and an average; cut in the middle of an
// epoch.
TEST(DeviceRun, ARunWithOtherLossesThatIsCutGoesOnToTheSameBitsAndIsTheCpus) {
  const std::vector<std::string> losses = {
      "loss.macl.weight={at=[0,2],value=[0.0,0.1],unit=\"epoch\"}",
      "loss.macl.rows=4",
      "loss.macl.hidden=16",
      "loss.macl.channels=8",
      "loss.dhn.weight=0.1",
      "loss.dhn.queue=24",
      "loss.dhn.top_k=4",
      "loss.dhn.frame_gap=0",
      "train.average=0.05",
      "train.checkpoint_every=1",
      "train.keep=20",
      "output.log_every=1",
      "monitor.profile=off"};
  TinyRun cpu, gpu;
  ASSERT_EQ(cpu.train(on("cpu", losses)), 0) << cpu.output();
  ASSERT_EQ(gpu.train(on("cuda", losses)), 0) << gpu.output();
  const auto want = train_lines(cpu), got = train_lines(gpu);
  ASSERT_EQ(want.size(), 8u);
  ASSERT_EQ(got.size(), 8u);
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].size(), want[i].size()) << "the same keys in line " << i;
    for (const char* const key : {"loss", "macl", "dhn", "gradient_norm", "weight_macl", "macl_rel",
                                  "macl_anchors", "dhn_negatives", "dhn_filled"}) {
      ASSERT_TRUE(got[i].contains(key)) << key;
      if (want[i][key].is_null()) {
        EXPECT_TRUE(got[i][key].is_null()) << key << " of line " << i;
        continue;
      }
      const double a = got[i][key], b = want[i][key];
      EXPECT_NEAR(a, b, 1e-3 * std::abs(b) + 1e-7) << key << " of line " << i;
    }
  }
  const std::string whole = TinyRun::state_hash(gpu.run_folder(), 8);
  for (std::int64_t step = 7; step <= 8; ++step)
    std::filesystem::remove(gpu.run_folder() + "/weights/" + TinyRun::step_name(step));
  ASSERT_EQ(gpu.train(on("cuda", losses)), 0) << gpu.output();
  EXPECT_THAT(gpu.output(), HasSubstr("resume    step 6 of 8"));
  EXPECT_EQ(TinyRun::state_hash(gpu.run_folder(), 8), whole);
}

// Of monitor.jsonl, without what time decides.
std::vector<nlohmann::json> monitor_lines(const TinyRun& run, const std::string& kind) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(run.read("monitor.jsonl"));
  for (std::string line; std::getline(text, line);)
    if (auto json = nlohmann::json::parse(line); json["kind"] == kind)
      lines.push_back(std::move(json));
  return lines;
}

TEST(DeviceRun, TheMonitorTellsAPlantedConflictAndDriftIsMeasured) {
  // -0.1 times 20: a conflict in every group. Alarms come with the twentieth probe.
  const std::vector<std::string> watched = {
      "data.synth.train_pairs=48", "loss.planted.kind=negative_det",
      "loss.planted.weight=2",     "monitor.profile=watch",
      "monitor.interval=1",        "monitor.burst=0",
      "monitor.budget_pct=10000",  "monitor.sketch=256",
      "monitor.drift=on",          "monitor.anchors=4"};
  TinyRun cpu, gpu;
  std::vector<std::string> on_cpu = on("cpu", watched), on_gpu = on("cuda", watched);
  for (auto* const plan : {&on_cpu, &on_gpu}) plan->emplace_back("train.epochs=1");
  ASSERT_EQ(cpu.train(on_cpu), 0) << cpu.output();
  ASSERT_EQ(gpu.train(on_gpu), 0) << gpu.output();
  EXPECT_THAT(gpu.output(), HasSubstr("device cuda"));
  EXPECT_THAT(gpu.output(), HasSubstr("at the peak of a step that is probed"));
  EXPECT_EQ(monitor_lines(gpu, "probe").size(), 24u);
  for (const char* const kind : {"window", "embedding"}) {
    const auto want = monitor_lines(cpu, kind), got = monitor_lines(gpu, kind);
    EXPECT_FALSE(want.empty()) << kind;
    ASSERT_EQ(got.size(), want.size()) << kind;
    for (std::size_t i = 0; i < want.size(); ++i)
      for (const char* const key : {"step", "epoch", "loss", "probes"})
        EXPECT_EQ(got[i].value(key, nlohmann::json()), want[i].value(key, nlohmann::json()))
            << kind << " " << i << ": " << key;
  }
  // A cosine that is -1 in every probe varies by roundings alone, and so does its autocorrelation,
  // which the rule of an alarm and its label depend on: which groups are told within these probes
  // is not the CPU's. What is told is.
  for (const TinyRun* const run : {&cpu, &gpu}) {
    const auto alarms = monitor_lines(*run, "alarm");
    EXPECT_GE(alarms.size(), 8u);
    for (const char* const after_alarms : {"channels", "loo"})
      EXPECT_FALSE(monitor_lines(*run, after_alarms).empty()) << after_alarms;
    for (const auto& alarm : alarms) {
      EXPECT_EQ(alarm["loss"], "planted");
      EXPECT_EQ(alarm["onset_step"], 1);
      EXPECT_GE(alarm["step"].get<int>(), 20);
      EXPECT_NEAR(alarm["mean"].get<double>(), -1, 1e-4);
      EXPECT_NEAR(alarm["lambda"].get<double>(), 2, 1e-4);
    }
  }
  const auto want = monitor_lines(cpu, "drift"), got = monitor_lines(gpu, "drift");
  ASSERT_EQ(want.size(), 1u);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0]["layers"].size(), want[0]["layers"].size());
  for (const auto& [layer, of] : want[0]["layers"].items()) {
    const double a = got[0]["layers"][layer]["kl95"], b = of["kl95"];
    EXPECT_NEAR(a, b, 1e-2 * std::abs(b) + 1e-6) << layer;
  }
}

TEST(DeviceBenchStep, TheStepIsOneGraphWithoutWaitingOrAllocation) {
  BenchStepOptions options;
  options.size = "64x64";
  options.depth = 18;
  options.width = 0.0625;
  options.channels = 16;
  options.proposals = 30;
  options.rois = 16;
  options.fc_channels = 16;
  options.batch = 1;
  options.threads = 1;
  options.steps = 4;
  options.json = true;
  const auto measured = [&](const char* device) {
    options.device = device;
    std::ostringstream out;
    EXPECT_EQ(run_bench_step(options, out), 0);
    return nlohmann::json::parse(out.str());
  };
  const nlohmann::json gpu = measured("cuda");
  EXPECT_EQ(gpu["gpu"], "emulation on the CPU");
  EXPECT_EQ(gpu["calls"]["synchronisations"], 0);
  EXPECT_EQ(gpu["calls"]["allocations"], 0);
  EXPECT_EQ(gpu["calls"]["launches"], 0);
  EXPECT_EQ(gpu["calls"]["captures"], 0);
  EXPECT_EQ(gpu["calls"]["graph launches"], options.steps);
  EXPECT_EQ(gpu["arena_growths"], 0);
  EXPECT_GT(gpu["graph_nodes"], 200);
  EXPECT_LT(gpu["graph_nodes"], 300) << "what shares launches does so no more";
  // The CPU takes as many steps with a warm-up of as many.
  options.warmup = 6;
  options.parts = false;
  const nlohmann::json cpu = measured("cpu");
  const double want = cpu["loss"];
  EXPECT_NEAR(gpu["loss"], want, 1e-3 * want);
  options.json = false;
  options.steps = 1;
  options.device = "cuda";
  std::ostringstream text;
  EXPECT_EQ(run_bench_step(options, text), 0);
  EXPECT_THAT(text.str(), HasSubstr("synchronisations in all 0, allocations 0"));
}

}  // namespace
}  // namespace ktrain::test
