#include "train/recovery/recovery_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"

namespace ktrain {
namespace {

using testing::HasSubstr;

// A success leads to a mark and on, anything else to an end.
const std::string kTree = R"([recovery]
start = "a"
[plans]
a = { file = "a.cfg" }
b = { file = "b.cfg", start = "recovered" }
[levels]
success = { map = 0.63, recall = 0.8, trend = "stable" }
[nodes]
mark = { mark = { from = ["a"], as = "recovered" }, go = "b" }
b = { run = "b", go = "end" }
end = { end = "over" }
[nodes.a]
run = "a"
when = [ { reaches = "success", go = "mark" } ]
go = "end"
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string fault_of(const std::string& text) {
  try {
    (void)parse_recovery(text, "dir/tree.cfg");
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "no fault";
}

TEST(RecoveryFile, IsReadAndOrderedFromItsStart) {
  const Recovery r = parse_recovery(kTree, "dir/tree.cfg");
  EXPECT_EQ(r.name, "tree");
  EXPECT_EQ(r.metric, "map");
  EXPECT_EQ(r.plan("a").file, "dir/a.cfg");
  EXPECT_EQ(r.plan("b").start, "recovered");
  std::vector<std::string> order;
  for (const RecoveryNode& node : r.nodes) order.push_back(node.name);
  EXPECT_THAT(order, testing::ElementsAre("a", "mark", "b", "end"));
  EXPECT_EQ(r.node("a").when.at(0).of, "a");  // the node's own run unless it says another
  const RecoveryLevel& success = r.level("success");
  EXPECT_TRUE(success.trend);
  EXPECT_THAT(success.bounds, testing::ElementsAre(std::pair<std::string, double>("map", 0.63),
                                                   std::pair<std::string, double>("recall", 0.8)));
}

struct Wrong {
  const char *from, *to, *id, *says;
};

class WrongRecovery : public testing::TestWithParam<Wrong> {};

TEST_P(WrongRecovery, IsRefusedWithPlaceAndRemedy) {
  const Wrong& wrong = GetParam();
  const std::string fault = fault_of(replaced(kTree, wrong.from, wrong.to));
  EXPECT_THAT(fault, HasSubstr(wrong.id));
  EXPECT_THAT(fault, HasSubstr(wrong.says));
  EXPECT_THAT(fault, HasSubstr("dir/tree.cfg"));
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongRecovery,
    testing::Values(
        Wrong{"recall = 0.8", "recal = 0.8", "KT-CFG-001", "did you mean 'recall'?"},
        Wrong{"map = 0.63", "map = 63", "KT-CFG-003", "number in [0, 1]"},
        Wrong{"map = 0.63", "map = nan", "KT-CFG-003", "number in [0, 1]"},
        Wrong{"map = 0.63", "map = \"high\"", "KT-CFG-002", "wanted number"},
        Wrong{"trend = \"stable\"", "trend = \"stabel\"", "KT-CFG-004", "did you mean 'stable'?"},
        Wrong{"go = \"mark\"", "go = \"makr\"", "KT-CFG-004", "did you mean 'mark'?"},
        Wrong{"reaches = \"success\"", "reaches = \"sucess\"", "KT-CFG-004",
              "did you mean 'success'?"},
        Wrong{"start = \"a\"", "start = \"z\"", "KT-CFG-004", "no node 'z'"},
        Wrong{"b = { run = \"b\", go = \"end\" }", "b = { run = \"b\", go = \"a\" }", "KT-CFG-008",
              "leads back to a"},
        Wrong{"go = \"mark\" } ]", "go = \"end\" } ]", "KT-CFG-008", "never reached"},
        Wrong{"from = [\"a\"]", "from = [\"b\"]", "KT-CFG-008", "not carried out on every way"},
        Wrong{"mark = { mark = { from = [\"a\"], as = \"recovered\" }, go = \"b\" }",
              "mark = { mark = { from = [\"a\"], as = \"other\" }, go = \"b\" }", "KT-CFG-008",
              "not marked on every way"},
        Wrong{"end = \"over\"", "end = \"over\", go = \"b\"", "KT-CFG-008",
              "is an end and goes on"},
        Wrong{"run = \"b\", go", "run = \"b\", compare = [\"a\", \"b\"], go", "KT-CFG-008",
              "at most one"},
        Wrong{"as = \"recovered\"", "as = \"../../x\"", "KT-CFG-008", "is no name"},
        Wrong{"file = \"a.cfg\"", "file = \"/etc/a.cfg\"", "KT-CFG-008", "relative path"},
        Wrong{"[nodes]\n", "[nodes\n", "KT-CFG-005", "not TOML"}));

TEST(RecoveryFile, ARuleThatMightNeverHoldIsNoWayToResults) {
  // The mark is made on one of two ways to the plan that starts from it.
  const std::string fault = fault_of(replaced(kTree, "go = \"end\"\n", "go = \"b\"\n"));
  EXPECT_THAT(fault, HasSubstr("not marked on every way"));
}

// A plan that only a hypothesis asks for must be able to run at every end.
TEST(RecoveryFile, AHypothesisCollectsWhatCanRunEverywhere) {
  const std::string with_plan = replaced(kTree, "[levels]", "c = { file = \"c.cfg\" }\n[levels]");
  EXPECT_THAT(fault_of(with_plan), HasSubstr("plans.c is run by no node, and no hypothesis"));
  const std::string claim =
      "[hypotheses]\nx = { text = \"t\", measure = \"positives\", runs = [\"a\", \"c\"], collect = "
      "true }\n";
  EXPECT_EQ(fault_of(with_plan + claim), "no fault");
  EXPECT_THAT(parse_recovery(with_plan + claim, "dir/tree.cfg").hypotheses[0].plans(),
              testing::ElementsAre("a", "c"));
  EXPECT_THAT(fault_of(replaced(with_plan + claim, "file = \"c.cfg\"",
                                "file = \"c.cfg\", start = \"recovered\"")),
              HasSubstr("starts from 'recovered'; that is not marked on every way"));
  EXPECT_THAT(fault_of(with_plan + replaced(claim, "collect = true", "collect = 1")),
              HasSubstr("wanted true or false"));
}

TEST(RecoveryFile, IsToldFromAPlan) {
  EXPECT_TRUE(is_recovery_text("# a tree\n\n  [recovery]\nstart = \"a\"\n"));
  EXPECT_FALSE(is_recovery_text("# [recovery]\ninclude = [\"base.cfg\"]\n"));
  EXPECT_FALSE(is_recovery_text(""));
}

}  // namespace
}  // namespace ktrain
