// The full-size experiment, configs/experiment/full.cfg: its plans are those of the pre-registered
// design, and `ktrain experiment full.cfg --dry-run` works on a copy with small data.
#include <filesystem>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"
#include "train/experiment/runner.h"
#include "train/experiment_command.h"
#include "train/plan_load.h"

namespace ktrain::experiment {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kConfigs = std::string(KT_SOURCE_DIR) + "/configs/";

TEST(FullDesign, HasTheArmsTheSeedsAndTheRuleThatWereRegistered) {
  const Design design = load_design(kConfigs + "experiment/full.cfg");
  EXPECT_EQ(design.seeds.size(), 10U);
  EXPECT_EQ(design.groups.size(), 10U);
  EXPECT_EQ(design.qualities.size(), 4U);
  EXPECT_EQ(design.from_step, 500);
  EXPECT_EQ(design.rule.delta, 0.02);
  EXPECT_EQ(design.rule.tax, 0.05);
  EXPECT_EQ(design.rule.ap, 0.005);
  EXPECT_EQ(design.rule.recovered, 0.5);
  EXPECT_EQ(design.rule.look, 4);
  EXPECT_EQ(design.rule.most_seeds, 20);
  std::set<double> doses;
  for (const Arm& arm : design.arms)
    if (arm.dose) doses.insert(*arm.dose);
  EXPECT_EQ(doses, (std::set<double>{0, 0.005, 0.01, 0.05, 0.2, 2}));
  for (const char* const name : {"lambda_0", "lambda_0.05", "pc_asym", "c1_measured"})
    EXPECT_EQ(design.arm_named(name).seeds, 10) << name;
  EXPECT_EQ(design.arm_named("c5_negative").expect, Expect::kAlarm);
  for (const char* const name : {"c5_copy", "c4_random_sign"})
    EXPECT_EQ(design.arm_named(name).expect, Expect::kNoAlarm) << name;
  for (const char* const control : {"c1_", "c2_", "c3_", "c4_", "c5_", "c7_", "c12_"})
    EXPECT_TRUE(std::any_of(design.arms.begin(), design.arms.end(), [&](const Arm& arm) {
      return arm.name.starts_with(control);
    })) << control;
}

TEST(FullDesign, EveryPlanLoadsAndTrainsWhatTheDesignSays) {
  const Design design = load_design(kConfigs + "experiment/full.cfg");
  const auto cells = cells_of(design, "runs");
  EXPECT_EQ(cells.size(), 340U);
  // Plans of one seed differ from another's in the seed alone.
  std::map<std::string, Plan> plans;
  for (const Cell& cell : cells)
    if (cell.seed == 1)
      plans[cell.warm() ? "warm" : cell.quality + "/" + cell.arm] =
          load_plan(cell.plan, cell.set).plan;
  for (const auto& [name, plan] : plans) {
    EXPECT_EQ(plan.model.depth, 18) << name;
    EXPECT_EQ(plan.model.width, 1) << name;
    EXPECT_EQ(plan.model.fusion, "concat") << name;
    EXPECT_EQ(plan.data.size, (PlanSize{320, 256})) << name;
    EXPECT_EQ(plan.data.synth.train_pairs, 20000) << name;
    EXPECT_EQ(plan.data.synth.val_pairs, 4000) << name;
    EXPECT_EQ(plan.data.synth.empty, 0.2) << name;
    EXPECT_EQ(plan.train.batch, 8) << name;
    if (name == "warm") continue;
    EXPECT_EQ(plan.model.norm, "frozen") << name;
    EXPECT_EQ(plan.train.steps, 6000) << name;
    EXPECT_GT(plan.monitor.half_every, 0) << name << ": C9, detection against itself";
    EXPECT_EQ(plan.optimizer.kind, name.find("sgd") != std::string::npos ? "sgd" : "adamw") << name;
    EXPECT_EQ(plan.optimizer.clip > 0, name.find("no_clip") == std::string::npos) << name;
  }
  EXPECT_EQ(plans.at("q3/lambda_0.05").loss.macl.weight.value, (std::vector<double>{0.05}));
  EXPECT_EQ(plans.at("q3/lambda_2").loss.macl.weight.value, (std::vector<double>{2}));
  EXPECT_EQ(plans.at("q3/c1_measured").loss.macl.weight.value, (std::vector<double>{0}));
  EXPECT_EQ(plans.at("q3/image_2").loss.macl.level, "image");
  EXPECT_EQ(plans.at("q0/pc_asym").remedy.mode, "live");
  EXPECT_NE(plans.at("q0/lambda_0").data.synth.quality, plans.at("q3/lambda_0").data.synth.quality);
}

// The files as they are but for the sizes of data (three epochs are 6 steps then) and detector.
TEST(FullDesign, ADryRunOfItSaysWhatItWouldTakeAndTrainsNothing) {
  const test::TemporaryFolder temp;
  fs::copy(kConfigs, temp / "configs", fs::copy_options::recursive);
  const auto edit = [&](const std::string& name,
                        const std::vector<std::pair<std::string, std::string>>& changes) {
    const std::string path = temp / ("configs/experiment/" + name);
    std::string text = test::read_text(path);
    for (const auto& [from, to] : changes) {
      ASSERT_NE(text.find(from), std::string::npos) << from;
      for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    }
    test::write_text(path, text);
  };
  const std::string data = temp / "data";
  edit("full_street.cfg", {{"320, 256", "64, 64"},
                           {"train_pairs = 20000", "train_pairs = 16"},
                           {"val_pairs = 4000", "val_pairs = 4"},
                           {"width = 1.0", "width = 0.0625"},
                           {"fpn_channels = 256", "fpn_channels = 16"},
                           {"fc_channels = 512", "fc_channels = 16"},
                           {"workers = 4", "workers = 0"},
                           {"include = [", "threads = 1\ninclude = ["}});
  for (const char* const name : {"full.cfg", "full_arm.cfg", "full_warm.cfg"})
    edit(name, {{"datasets/experiment_full", data}});
  ExperimentOptions options;
  options.design = temp / "configs/experiment/full.cfg";
  options.runs = temp / "runs";
  options.dry_run = true;
  std::ostringstream out;
  ASSERT_EQ(run_experiment(options, out), 0) << out.str();
  EXPECT_THAT(out.str(), HasSubstr("runs      340 in"));
  EXPECT_THAT(out.str(), HasSubstr("lambda_0.05      10 seeds  q0 q1 q2 q3"));
  EXPECT_THAT(out.str(), HasSubstr("arm       6 steps of"));
  EXPECT_THAT(out.str(), HasSubstr("power     "));
  EXPECT_THAT(out.str(), HasSubstr("nothing was trained"));
  EXPECT_FALSE(fs::exists(temp / "runs"));
}

}  // namespace
}  // namespace ktrain::experiment
