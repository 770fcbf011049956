#include "train/built_in_plans.h"

#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/temporary_folder.h"
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

}  // namespace
}  // namespace ktrain::test
