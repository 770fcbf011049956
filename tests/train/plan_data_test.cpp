#include "train/plan_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/presets.h"
#include "tests/support/data.h"
#include "tests/support/layout_trees.h"
#include "train/plan_load.h"

namespace ktrain {
namespace {

using test::fault_of;
using testing::HasSubstr;

DataPlan data_of(const std::string& text) { return parse_plan(text, "p.cfg").plan.data; }

TEST(PlanData, TheListsAreThePresetsOwnUnlessThePlanNamesOne) {
  const DataPlan kaist = data_of("data.preset = 'kaist'");
  EXPECT_EQ(pair_source(kaist, "train").list, "train-all-02:!set05");
  EXPECT_EQ(pair_source(kaist, "val").list, "train-all-02:set05");
  EXPECT_EQ(pair_source(data_of("data.train = 'mine'"), "train").list, "mine");
  const DataPlan m3fd = data_of("data.preset = 'm3fd'");
  EXPECT_THAT(fault_of([&] { (void)pair_source(m3fd, "train"); }),
              HasSubstr("layout m3fd has no train list of its own; set data.train"));
}

TEST(PlanData, OriginBoxesAndEmptyPairs) {
  EXPECT_FALSE(pair_source(data_of(""), "train").origin.has_value());
  EXPECT_EQ(pair_source(data_of("data.origin = '1'"), "train").origin, 1.0);
  EXPECT_EQ(pair_source(data_of("data.origin = '0'"), "train").origin, 0.0);
  const DataPlan data =
      data_of("data = {preset = 'kaist-paired', boxes = 'mean', skip_empty = true}");
  EXPECT_EQ(pair_source(data, "train").boxes, "mean");
  EXPECT_TRUE(pair_source(data, "train").skip_empty);
  EXPECT_FALSE(pair_source(data, "val").skip_empty) << "every pair is evaluated";
}

// What a plan accepts as data.preset is what can be read, and every such tree is.
TEST(PlanData, EveryPresetOfAPlanIsRead) {
  for (const auto& [preset, write_tree] : test::layout_trees()) {
    const test::TempFolder folder;
    const std::string list = write_tree(folder);
    const DataPlan data =
        data_of(fmt::format("data = {{preset = '{}', train = '{}'}}", preset, list));
    const PairReport report = read_pairs(DataFolder(folder.path()), pair_source(data, "train"));
    EXPECT_EQ(report.problems.size(), 0u) << preset;
    EXPECT_EQ(report.index.size(), 3) << preset;
  }
  EXPECT_EQ(test::layout_trees().size(), data_presets().size());
}

}  // namespace
}  // namespace ktrain
