#include "train/built_in_plans.h"

#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/temporary_folder.h"
#include "train/comparison.h"
#include "train/experiment/design.h"
#include "train/plan_load.h"
#include "train/recovery/recovery_plans.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;

TEST(BuiltInPlans, AreTheFilesOfConfigsAndAllOfThemLoad) {
  const fs::path configs = fs::path(KT_SOURCE_DIR) / "configs";
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(configs))
    files += entry.path().extension() == ".cfg";
  EXPECT_EQ(built_in_plans().size(), files);
  for (const BuiltInPlan& plan : built_in_plans()) {
    EXPECT_EQ(read_text(configs / plan.name), plan.text) << plan.name;
    const std::string file = configs / plan.name;
    if (is_recovery_text(plan.text)) {
      Recovery recovery = load_recovery(file);
      EXPECT_NO_THROW((void)load_plans(recovery, {}, "runs")) << file;
    } else if (std::string_view(plan.text).find("\n[[arm]]\n") != std::string_view::npos) {
      EXPECT_NO_THROW((void)experiment::load_design(file)) << file;
    } else {
      EXPECT_NO_THROW((void)load_plan(file)) << file;
    }
  }
}

TEST(BuiltInPlans, AreWrittenButNeverOverAnotherFile) {
  TemporaryFolder temp;
  write_built_in_plans(temp / "plans");
  EXPECT_EQ(read_text(temp / "plans/plan_a.cfg"), find_built_in("plan_a.cfg")->text);
  EXPECT_NO_THROW(write_built_in_plans(temp / "plans"));  // the same files once more
  write_text(temp / "plans/stage1.cfg", "seed = 3\n");
  try {
    write_built_in_plans(temp / "plans");
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-IO-013");
  }
  EXPECT_EQ(read_text(temp / "plans/stage1.cfg"), "seed = 3\n");
}

TEST(BuiltInPlans, AreFoundByNameWhereThereIsNothingElse) {
  TemporaryFolder temp;
  const fs::path before = fs::current_path();
  fs::current_path(temp.path());
  std::ostringstream out;
  EXPECT_EQ(plan_file("no.cfg", out), "no.cfg");
  EXPECT_FALSE(fs::exists("configs"));
  EXPECT_EQ(plan_file("plan_a.cfg", out), "configs/plan_a.cfg");
  EXPECT_THAT(out.str(), testing::HasSubstr("now in configs/"));
  EXPECT_EQ(plan_file("plan_a.cfg", out), "configs/plan_a.cfg");  // and the next time
  write_text("plan_a.cfg", "seed = 1\n");
  EXPECT_EQ(plan_file("plan_a.cfg", out), "plan_a.cfg");  // the user's own comes first
  fs::current_path(before);
}

// The published settings of the experiment: what the plans say, key by key.
TEST(BuiltInPlans, PlanAHasTheReferencesSettings) {
  const Plan plan = load_plan(fs::path(KT_SOURCE_DIR) / "configs/kaist/plan_a.cfg").plan;
  EXPECT_EQ(plan.model.depth, 50);
  EXPECT_EQ(plan.data.size, (PlanSize{640, 512}));
  EXPECT_EQ(plan.optimizer.lr, 5e-5);
  EXPECT_EQ(plan.optimizer.weight_decay, 5e-4);
  EXPECT_EQ(plan.optimizer.clip, 3.0);
  EXPECT_EQ(plan.optimizer.multipliers, (std::vector<Multiplier>{{"backbone", 0.1, 1.0}}));
  EXPECT_EQ(plan.train.epochs, 5);
  EXPECT_EQ(plan.train.batch, 4);
  EXPECT_EQ(plan.stop.threshold, 0.58);
  EXPECT_EQ(plan.stop.patience, 2);
  const Plan baseline = load_plan(fs::path(KT_SOURCE_DIR) / "configs/kaist/baseline.cfg").plan;
  EXPECT_EQ(baseline.optimizer.lr, 1e-4);
  EXPECT_EQ(baseline.optimizer.weight_decay, 1e-2);
  EXPECT_EQ(baseline.optimizer.clip, 0.0);
  EXPECT_EQ(baseline.train.epochs, 8);
}

// The ways through both trees, from what runs reach.
using Reached = std::map<std::string, std::set<std::string>>;

std::string way_of(const Recovery& recovery, const Reached& reached) {
  std::string way;
  for (std::string name = recovery.start; !name.empty();) {
    const RecoveryNode& node = recovery.node(name);
    way += (way.empty() ? "" : " ") + name;
    name = node.go;
    for (const RecoveryRule& rule : node.when) {
      const auto of = reached.find(rule.of);
      if (of == reached.end() || !of->second.contains(rule.reaches)) continue;
      name = rule.go;
      break;
    }
  }
  return way;
}

TEST(BuiltInPlans, TheTreesDecideAsTheRecoveryPlanSays) {
  for (const char* const file : {"configs/recovery.cfg", "configs/kaist/recovery.cfg"}) {
    Recovery r = load_recovery(fs::path(KT_SOURCE_DIR) / file);
    const LoadedPlans plans = load_plans(r, {}, "runs");
    const std::set<std::string> all = {"success", "partial", "optimal"}, partial = {"partial"};
    const std::string begin = "stage1 baseline a ", sweep = "sweep mark_start retry ";
    EXPECT_EQ(way_of(r, {{"a", all}}), begin + "mark_a stage2_2 recovered") << file;
    EXPECT_EQ(way_of(r, {{"a", all}, {"stage2_2", all}}),
              begin + "mark_a stage2_2 recovered_optimal");
    EXPECT_EQ(way_of(r, {{"a", partial}}), begin + "b_beside compare keep_better partial");
    EXPECT_EQ(way_of(r, {{"a", partial}, {"b", all}}),
              begin + "b_beside compare mark_b stage2_2_progressive recovered");
    EXPECT_EQ(way_of(r, {{"b", all}}), begin + "b_instead mark_b stage2_2_progressive recovered");
    EXPECT_EQ(way_of(r, {{"b", partial}}), begin + "b_instead " + sweep + "retrain");
    EXPECT_EQ(way_of(r, {{"a_low", all}}),
              begin + "b_instead " + sweep + "mark_retry stage2_2 recovered");

    // Stage 2.2 starts from what was marked, the retry from the best of stage 1's checkpoints.
    EXPECT_EQ(plans.at("stage2_2").resolved.plan.init.checkpoint,
              recovery_folder(r, "runs") + "/recovered.safetensors");
    EXPECT_EQ(plans.at("stage2_2").resolved.plan.init.plan, "");
    for (const char* const name : {"stage2_2", "stage2_2_progressive"})
      EXPECT_EQ(r.plan(name).start, "recovered") << name;
    EXPECT_EQ(r.plan("a_low").start, "stage1_best");
    for (const char* const name : {"mark_a", "mark_b", "mark_retry"})
      EXPECT_EQ(r.node(name).mark->as, "recovered") << name;
  }
  const Plan low = load_plan(fs::path(KT_SOURCE_DIR) / "configs/kaist/plan_a_low.cfg").plan;
  EXPECT_EQ(low.optimizer.lr, 3e-5);
}

// Claims of the report, each with runs that can speak of it on every way.
TEST(BuiltInPlans, NoHypothesisLacksItsRuns) {
  for (const char* const file : {"configs/recovery.cfg", "configs/kaist/recovery.cfg"}) {
    Recovery r = load_recovery(fs::path(KT_SOURCE_DIR) / file);
    const LoadedPlans plans = load_plans(r, {}, "runs");
    std::set<std::string> measures;
    for (const RecoveryHypothesis& h : r.hypotheses) {
      measures.insert(h.measure);
      if (h.measure == "positives") {
        EXPECT_THAT(h.runs, testing::ElementsAre("a")) << file;  // every way runs A
        continue;
      }
      EXPECT_TRUE(h.collect) << file << ": " << h.name;
      for (const std::string& run : h.plans()) {
        const Plan& plan = plans.at(run).resolved.plan;
        EXPECT_EQ(plan.monitor.profile, "watch") << run;
        EXPECT_GT(plan.monitor.sketch, 0) << run;
      }
      // Arms differ in the factor alone, and validate on the same images.
      for (const auto* arms : {&h.poor, &h.good}) {
        if (arms->empty()) continue;
        const Plan &with = plans.at(arms->at(0)).resolved.plan,
                   &without = plans.at(arms->at(1)).resolved.plan;
        for (const SettingRow& row : differing_settings({&with, &without}, {h.factor}))
          EXPECT_TRUE(row.declared) << file << ": " << row.key;
        EXPECT_EQ(with.data.val, without.data.val);
      }
    }
    EXPECT_THAT(measures, testing::ElementsAre("conflict", "interaction", "positives")) << file;
  }
}

}  // namespace
}  // namespace ktrain::test
