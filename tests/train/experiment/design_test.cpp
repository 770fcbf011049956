#include "train/experiment/design.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/experiment.h"
#include "train/experiment/cells.h"

namespace ktrain::experiment {
namespace {

using test::experiment_text;
using testing::HasSubstr;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("no " + from);
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& text) {
  try {
    (void)parse_design(text, "configs/trial.cfg");
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}

TEST(Design, IsReadWholeAndStrictly) {
  const Design design = parse_design(experiment_text(3), "configs/trial.cfg");
  EXPECT_EQ(design.warm, "configs/warm.cfg");
  EXPECT_THAT(design.seeds, testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(design.arms.size(), 7U);
  EXPECT_EQ(design.arm_named("lambda_2").dose, 2.0);
  EXPECT_THAT(design.arm_named("lambda_0").qualities, testing::ElementsAre("q0", "q3"));
  EXPECT_EQ(design.arm_named("copy").expect, Expect::kNoAlarm);
  EXPECT_EQ(design.rule.tax, 0.05);

  const std::string text = experiment_text(3);
  EXPECT_THAT(
      refusal(replaced(text, "delta", "dleta")),
      testing::AllOf(HasSubstr("KT-CFG-001: configs/trial.cfg:18:1"), HasSubstr("'delta'")));
  EXPECT_THAT(refusal(replaced(text, "delta = 0.02", "delta = \"x\"")), HasSubstr("KT-CFG-002"));
  EXPECT_THAT(refusal(replaced(text, "delta = 0.02", "delta = nan")), HasSubstr("KT-CFG-003"));
  EXPECT_THAT(refusal(replaced(text, "\"alarm\"", "\"loud\"")), HasSubstr("KT-CFG-004"));
  EXPECT_THAT(refusal(replaced(text, "[roles]", "[roles")), HasSubstr("KT-CFG-005"));
  EXPECT_THAT(refusal(replaced(text, "title = \"A trial\"", "")), HasSubstr("no key 'title'"));
  EXPECT_THAT(refusal(replaced(text, "name = \"copy\"", "name = \"negative\"")),
              HasSubstr("two [[arm]]"));
  EXPECT_THAT(refusal(replaced(text, "name = \"copy\"", "name = \"../copy\"")),
              HasSubstr("KT-CFG-004"));
  EXPECT_THAT(refusal(replaced(text, "poor = \"q3\"", "poor = \"q4\"")), HasSubstr("'q4'"));
  EXPECT_THAT(refusal(replaced(text, "qualities = [\"q3\"]", "qualities = [\"q0\"]")),
              HasSubstr("roles.remedy needs arm 'pc_asym' under quality 'q3'"));
  EXPECT_THAT(refusal(replaced(text, "seeds = [1, 2, 3]", "seeds = [1, 2, 2]")),
              HasSubstr("different numbers"));
}

TEST(Design, AsksForWholeSeedsOneAfterTheOther) {
  const Design design = parse_design(
      replaced(experiment_text(3), "name = \"copy\"\n", "name = \"copy\"\nseeds = 2\n"),
      "configs/trial.cfg");
  const auto cells = cells_of(design, "runs");
  // Four arms under two qualities, three under one; the copy in two of three seeds.
  EXPECT_EQ(cells.size(), 3U * (1 + 4 * 2 + 3) - 1);
  std::set<std::string> folders;
  std::int64_t seed = 0;
  for (const Cell& cell : cells) {
    folders.insert(cell.folder);
    if (cell.warm()) ++seed;
    EXPECT_EQ(cell.seed, seed);
  }
  EXPECT_EQ(folders.size(), cells.size());
  const Cell& last = cells.back();
  EXPECT_EQ(last.folder, "runs/trial/q3/negative/seed_3");
  EXPECT_THAT(last.set, testing::ElementsAre("data.flip=0.25", "seed=3",
                                             "output.dir=runs/trial/q3/negative/seed_3"));
  EXPECT_EQ(warm_start_of(cells, last).folder, "runs/trial/warm/seed_3");
}

TEST(Design, CommittedDesignsAreGood) {
  const std::string folder = std::string(KT_SOURCE_DIR) + "/configs/experiment/";
  for (const char* const name : {"small.cfg", "full.cfg"}) {
    const Design design = load_design(folder + name);
    EXPECT_GT(cells_of(design, "runs").size(), 60U);
  }
}

}  // namespace
}  // namespace ktrain::experiment
