#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "runtime/fault.h"
#include "train/nearest.h"
#include "train/plan_check.h"
#include "train/plan_keys.h"
#include "train/plan_load.h"
#include "train/plan_text.h"

namespace ktrain {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// What the fault says when the text is parsed as p.cfg; "" when there is none.
std::string fault_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    (void)parse_plan(text, "p.cfg", overrides);
    return "";
  } catch (const Fault& fault) {
    return fault.what();
  }
}

Plan plan_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_plan(text, "p.cfg", overrides).plan;
}

TEST(Plan, EveryKindOfValueArrives) {
  const Plan plan = plan_of(R"(
seed = 7
[data]
size = [320, 256]
flip = 1
labels = { positive = ["person", "cyclist"], ignore = [] }
skip_empty = true
[optimizer]
kind = "sgd"
lr = 5e-5
multipliers = [{ prefix = "backbone", lr = 0.1 }, { prefix = "fc", decay = 0 }]
[schedule]
kind = "multistep"
milestones = [8, 11]
[loss]
rpn_cls.weight = 2
roi_cls.weight = { at = [0, 3], value = [0.0, 0.01], unit = "epoch", shape = "cosine" }
[model]
anchor_ratios = [1, 2.5, 4]
)");
  EXPECT_EQ(plan.seed, 7);
  EXPECT_EQ(plan.data.size, (PlanSize{320, 256}));
  EXPECT_EQ(plan.data.flip, 1.0);
  EXPECT_THAT(plan.data.positive, ElementsAre("person", "cyclist"));
  EXPECT_TRUE(plan.data.ignore.empty());
  EXPECT_TRUE(plan.data.skip_empty);
  EXPECT_EQ(plan.optimizer.lr, 5e-5);
  EXPECT_THAT(plan.optimizer.multipliers,
              ElementsAre(Multiplier{"backbone", 0.1, 1.0}, Multiplier{"fc", 1.0, 0.0}));
  EXPECT_THAT(plan.schedule.milestones, ElementsAre(8, 11));
  EXPECT_EQ(plan.loss.rpn_cls.weight, (WeightSchedule{{}, {2.0}, "step", "linear"}));
  EXPECT_EQ(plan.loss.roi_cls.weight, (WeightSchedule{{0, 3}, {0, 0.01}, "epoch", "cosine"}));
  EXPECT_THAT(plan.model.anchor_ratios, ElementsAre(1.0, 2.5, 4.0));
}

TEST(Plan, UnknownKeyNamesPlaceAndNeighbour) {
  EXPECT_EQ(fault_of("[optimizer]\n  learning_rat = 1\n"),
            "KT-CFG-001: p.cfg:2:3: unknown key 'learning_rat' in [optimizer]; did you mean "
            "'optimizer.lr'?");
  EXPECT_EQ(fault_of("qqqqqqqq = 1"),
            "KT-CFG-001: p.cfg:1:1: unknown key 'qqqqqqqq'; ktrain explain plan lists all keys");
  EXPECT_EQ(fault_of("[optimizer]\nlrr = 1\n"),
            "KT-CFG-001: p.cfg:2:1: unknown key 'lrr' in [optimizer]; did you mean 'lr'?");
  EXPECT_EQ(fault_of("[optimiser]\nlr = 1\n"),
            "KT-CFG-001: p.cfg:1:2: unknown key 'optimiser'; did you mean 'optimizer'?");
  EXPECT_EQ(fault_of("epochs = 3"),
            "KT-CFG-001: p.cfg:1:1: unknown key 'epochs'; did you mean 'train.epochs'?");
  EXPECT_THAT(fault_of("optimizer.multipliers = [{prefx = 'a'}]"),
              HasSubstr("p.cfg:1:27: unknown key 'prefx' in optimizer.multipliers; wanted one of "
                        "prefix, lr, decay; did you mean 'prefix'?"));
  EXPECT_THAT(fault_of("loss.rpn_cls.weight = {at = [0], val = [1]}"), HasSubstr("'val'"));
  EXPECT_THAT(fault_of("\"a\\u001bb\" = 1"), HasSubstr("unknown key 'a\\x1bb'"));
}

TEST(Plan, WrongTypeSaysFoundAndWanted) {
  EXPECT_EQ(fault_of("[train]\nbatch = 8.0\n"),
            "KT-CFG-002: p.cfg:2:9: train.batch = 8; wanted integer in [1, 1024]");
  EXPECT_EQ(fault_of("seed = 'one'"),
            "KT-CFG-002: p.cfg:1:8: seed = 'one'; wanted integer, 0 or more");
  EXPECT_THAT(fault_of("data.size = [1, 2, 3]"), HasSubstr("a list of 3 entries"));
  EXPECT_THAT(fault_of("data = 3"), HasSubstr("wanted a group of keys, [data]"));
  EXPECT_THAT(fault_of("model.shared = 1"), HasSubstr("wanted true or false"));
  EXPECT_THAT(fault_of("data.root = 2024-01-01"), HasSubstr("a date or time; wanted text"));
  EXPECT_THAT(fault_of("data.labels.positive = [1]"), HasSubstr("wanted list of texts"));
  EXPECT_THAT(fault_of("optimizer.multipliers = [{lr = 1}]"), HasSubstr("without prefix"));
  EXPECT_THAT(fault_of("[seed]\na = 1"), HasSubstr("KT-CFG-002"));
  EXPECT_THAT(fault_of("batch = 8x"), StartsWith("KT-CFG-005: p.cfg:1:"));
}

TEST(Plan, RangesAndChoices) {
  EXPECT_EQ(fault_of("train.batch = 0"),
            "KT-CFG-003: p.cfg:1:15: train.batch = 0; wanted integer in [1, 1024]");
  for (const char* value : {"nan", "inf", "-inf", "-0.1", "1e9"})
    EXPECT_THAT(fault_of(fmt::format("optimizer.lr = {}", value)), StartsWith("KT-CFG-003"))
        << value;
  EXPECT_EQ(fault_of("optimizer.kind = 'adamW'"),
            "KT-CFG-004: p.cfg:1:18: optimizer.kind: no such choice 'adamW'; wanted one of adamw, "
            "sgd; did you mean 'adamw'?");
  EXPECT_THAT(fault_of("train.precision = 'fp16'"),
              HasSubstr("no such choice 'fp16'; wanted one of float, tf32, bf16"));
  EXPECT_THAT(fault_of("schedule.milestones = [8, 8]"), StartsWith("KT-CFG-003"));
  EXPECT_THAT(fault_of("seed = 9223372036854775808"), StartsWith("KT-CFG-005"));
  EXPECT_THAT(fault_of("seed = 9223372036854775807"), StartsWith("KT-CFG-003"));
  EXPECT_THAT(fault_of("loss.rpn_cls.weight = {at = [0, 1], value = [1]}"),
              HasSubstr("2 positions in at, 1 values"));
  EXPECT_THAT(fault_of("loss.rpn_cls.weight = {at = [1, 1], value = [1, 2]}"),
              HasSubstr("do not increase"));
  EXPECT_THAT(fault_of("loss.rpn_cls.weight = {at = [0], value = [-1]}"), StartsWith("KT-CFG-003"));
  EXPECT_THAT(fault_of("loss.rpn_cls.weight = {}"), StartsWith("KT-CFG-003"));
}

TEST(Plan, TextThatIsNoPlan) {
  EXPECT_THAT(fault_of("seed = 1\nseed = 2\n"), StartsWith("KT-CFG-005: p.cfg:2:"));
  EXPECT_THAT(fault_of(std::string("seed = 1\0", 9)), StartsWith("KT-CFG-005"));
  EXPECT_EQ(fault_of("\xEF\xBB\xBFseed = 1\r\n[train]\r\nbatch = 4\r\n"), "");
  EXPECT_THAT(fault_of(std::string(10 << 20, 'x')), StartsWith("KT-CFG-007"));
  EXPECT_THAT(fault_of(fmt::format("seed = {:[>17}", "")),
              "KT-CFG-007: p.cfg:1:24: brackets are nested deeper than 16; write the plan flatter");
  std::string dots = "a";
  for (int i = 0; i < 10000; ++i) dots += ".a";
  EXPECT_THAT(fault_of(fmt::format("{} = 1", dots)),
              StartsWith("KT-CFG-007: p.cfg:1:34: a key has dots"));
  EXPECT_THAT(fault_of(fmt::format("data.root = '''{}'''\nseed = 'x'", dots)),
              StartsWith("KT-CFG-002"));
}

TEST(Plan, KeysMustAgree) {
  EXPECT_EQ(fault_of("[train]\nepochs = 3\n[schedule]\nkind = 'cosine'\nbegin = 3"),
            "KT-CFG-008: schedule.begin (p.cfg:5:9): 3; wanted less than the end, 3");
  EXPECT_THAT(fault_of("schedule.kind = 'multistep'"), HasSubstr("never moves"));
  EXPECT_THAT(
      fault_of("schedule.min_lr = 1.0\noptimizer.lr = 0.1"),
      AllOf(HasSubstr("schedule.min_lr (p.cfg:1:19)"), HasSubstr("optimizer.lr (p.cfg:2:16)")));
  EXPECT_THAT(fault_of("model.depth = 20"), HasSubstr("wanted 18, 34, 50 or 101"));
  EXPECT_THAT(fault_of("stop.patience = 2"), HasSubstr("needs stop.threshold"));
  EXPECT_THAT(fault_of("init = {plan = 'a.cfg', checkpoint = 'b'}"), HasSubstr("one of them"));
  EXPECT_THAT(fault_of("init = {plan = '/a.cfg'}"), HasSubstr("relative path"));
  EXPECT_THAT(fault_of("init = {plan = '../../a.cfg'}"), HasSubstr("relative path"));
  EXPECT_THAT(fault_of("init = {plan = 'a.cfg', take = 'epoch_0'}"), HasSubstr("epoch_N"));
  EXPECT_EQ(fault_of("init = {plan = '../llvip/a.cfg', take = 'epoch_21'}"), "");
  EXPECT_THAT(fault_of("data.labels = {positive = ['person'], ignore = ['person']}"),
              HasSubstr("'person' is in data.labels.positive (p.cfg:1:"));
  EXPECT_THAT(fault_of("data.labels.ignore = ['person']"), HasSubstr("nothing would count"))
      << "a name that is written out is no longer of the preset's own positives";
  EXPECT_EQ(fault_of("data = {preset = 'kaist-paired', boxes = 'union'}"), "");
  EXPECT_THAT(fault_of("data.boxes = 'mean'"), HasSubstr("data.boxes (p.cfg:1:14): mean; layout"));
  EXPECT_THAT(fault_of("data.preset = 'kaist-sanitised'"), HasSubstr("mean 'kaist-sanitized'?"));
  EXPECT_THAT(fault_of("[loss]\nrpn_cls.weight=0\nrpn_bbox.weight=0\nroi_cls.weight=0\n"
                       "roi_bbox.weight=0"),
              HasSubstr("nothing would be learned"));
}

TEST(Plan, OverridesWinAndAreChecked) {
  const ResolvedPlan resolved =
      parse_plan("[optimizer]\nlr = 1\n", "p.cfg",
                 {"optimizer.lr=0.5", "data.root=a b", "data.val=\"x\\ty\"", "data.size=[64,32]"});
  EXPECT_EQ(resolved.plan.optimizer.lr, 0.5);
  EXPECT_EQ(resolved.plan.data.root, "a b");
  EXPECT_EQ(resolved.plan.data.val, "x\ty");
  EXPECT_EQ(resolved.plan.data.size, (PlanSize{64, 32}));
  EXPECT_EQ(resolved.origin_of("optimizer.lr"), "command line");
  EXPECT_EQ(resolved.origin_of("seed"), "default");
  EXPECT_EQ(fault_of("", {"optimizer.lrr=1"}),
            "KT-CFG-001: --set optimizer.lrr=1: unknown key 'optimizer.lrr'; did you mean "
            "'optimizer.lr'?");
  EXPECT_EQ(fault_of("", {"optimizer.lr=fast"}),
            "KT-CFG-002: command line: optimizer.lr = 'fast'; wanted number in [0, 100]");
  EXPECT_THAT(fault_of("", {"data.size=1]\nseed = [2"}), StartsWith("KT-CFG-010"));
  EXPECT_EQ(fault_of("", {"train.batch=0"}),
            "KT-CFG-003: command line: train.batch = 0; wanted integer in [1, 1024]");
  for (const char* text : {"seed", "=1", "", "seed=1\nthreads=2"})
    EXPECT_THAT(fault_of("", {text}), StartsWith("KT-CFG-010")) << text;
}

TEST(Plan, EnvironmentIsNeverExpanded) {
  EXPECT_EQ(plan_of("data.root = '${HOME}/$HOME/~'").data.root, "${HOME}/$HOME/~");
}

TEST(Plan, EchoReadsBackToTheSamePlan) {
  const std::string text = R"(
seed = 3
data.root = "q\"uo\\te\u0007"
data.labels.ignore = []
optimizer.lr = 0.1000000000000000055
optimizer.multipliers = [{prefix = "a", lr = 0.3}]
schedule.milestones = [2]
schedule.kind = "multistep"
loss.roi_cls.weight = {at = [0, 1.5], value = [0, 0.3], shape = "grl"}
)";
  const ResolvedPlan resolved = parse_plan(text, "p.cfg");
  EXPECT_TRUE(diff_plans(resolved.plan, plan_of(resolved_text(resolved))).empty());
  EXPECT_TRUE(diff_plans(resolved.plan, plan_of(canonical_text(resolved.plan))).empty());
  EXPECT_EQ(canonical_text(plan_of(canonical_text(resolved.plan))), canonical_text(resolved.plan));
  EXPECT_THAT(resolved_text(resolved),
              HasSubstr("lr = 0.1                                  # p.cfg:5:16"));
  EXPECT_THAT(resolved_text(resolved),
              HasSubstr("threads = 0                               # default"));
}

TEST(Plan, DifferenceListsExactlyTheFactors) {
  const auto differences =
      diff_plans(plan_of("seed = 1"), plan_of("optimizer.lr = 0.5\noutput.log_every = 3"));
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].key, "optimizer.lr");
  EXPECT_EQ(differences[0].left, "0.001");
  EXPECT_EQ(differences[0].right, "0.5");
  EXPECT_FALSE(differences[0].may_change);
  EXPECT_TRUE(differences[1].may_change);
}

TEST(Plan, DefaultsAreInRangeAndNamesAreUnique) {
  EXPECT_EQ(fault_of(canonical_text(Plan{})), "");
  Plan plan;
  std::set<std::string_view> names, groups;
  std::string_view group = "none yet";
  for (const PlanKey& key : plan_keys(plan)) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_FALSE(key.help.ends_with('.')) << key.name;
    // A group opened twice would not be TOML.
    if (key_group(key.name) != group) {
      EXPECT_TRUE(groups.insert(key_group(key.name)).second) << key.name;
    }
    group = key_group(key.name);
  }
}

TEST(Plan, CommittedReferenceIsTheGeneratedOne) {
  std::ifstream in(KT_SOURCE_DIR "/docs/plan_reference.md");
  std::istringstream generated(reference_markdown());
  std::string have, want;
  for (int line = 1; std::getline(generated, want); ++line) {
    ASSERT_TRUE(std::getline(in, have) && have == want)
        << "docs/plan_reference.md:" << line
        << ": run build/release/ktrain explain plan --markdown "
        << "> docs/plan_reference.md";
  }
  EXPECT_FALSE(std::getline(in, have));
}

class PlanFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              fmt::format("ktrain_plan_{}_{}", ::getpid(),
                          ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_ / "kaist");
    std::filesystem::create_directories(folder_ / "base");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  std::string fault_of_file(const std::string& file) {
    try {
      (void)load_plan(file);
      return "";
    } catch (const Fault& fault) {
      return fault.what();
    }
  }
  std::filesystem::path folder_;
};

TEST_F(PlanFiles, IncludesAreReadFirstAndLaterWins) {
  write("base/a.cfg", "include = ['b.cfg']\nseed = 1\nthreads = 1\n[data]\nflip = 0.1\n");
  write("base/b.cfg", "seed = 2\n[train]\nbatch = 7\n");
  const auto file = write("kaist/p.cfg", "include = ['../base/a.cfg']\nthreads = 3\n");
  const ResolvedPlan resolved = load_plan(file, {"data.flip=0.2"});
  EXPECT_EQ(resolved.name, "p");
  EXPECT_EQ(resolved.plan.seed, 1);
  EXPECT_EQ(resolved.plan.threads, 3);
  EXPECT_EQ(resolved.plan.train.batch, 7);
  EXPECT_EQ(resolved.plan.data.flip, 0.2);
  EXPECT_EQ(resolved.origin_of("train.batch"),
            fmt::format("{}:3:9", (folder_ / "base/b.cfg").string()));
}

TEST_F(PlanFiles, IncludesStayInTheirFolder) {
  const auto refused = [&](const std::string& include) {
    return fault_of_file(write("kaist/p.cfg", fmt::format("include = [{}]", include)));
  };
  EXPECT_THAT(refused("'/etc/passwd'"), HasSubstr("KT-CFG-006"));
  EXPECT_THAT(refused("'../../x.cfg'"), HasSubstr("KT-CFG-006"));
  EXPECT_THAT(refused("'a/../../../x.cfg'"), HasSubstr("KT-CFG-006"));
  EXPECT_THAT(refused("'../base/x.txt'"), HasSubstr("KT-CFG-006"));
  EXPECT_THAT(refused("\"a\\u0000.cfg\""), HasSubstr("KT-CFG-006"));
  EXPECT_THAT(refused("''"), HasSubstr("KT-CFG-006"));
  EXPECT_THAT(refused(fmt::format("'{:a>5000}.cfg'", "")), HasSubstr("KT-CFG-006"));
  EXPECT_THAT(refused("'p.cfg'"), HasSubstr("included by itself"));
  EXPECT_THAT(refused("1"), HasSubstr("KT-CFG-002"));
  EXPECT_THAT(refused("'no.cfg'"), HasSubstr("no such plan (included at"));
  std::filesystem::create_symlink("/etc/hosts", folder_ / "kaist/link.cfg");
  EXPECT_THAT(refused("'link.cfg'"), HasSubstr("KT-CFG-006"));
}

TEST_F(PlanFiles, CyclesAndFloodsEnd) {
  write("a.cfg", "include = ['b.cfg']");
  EXPECT_THAT(fault_of_file(write("b.cfg", "include = ['a.cfg']")),
              HasSubstr("included by itself"));
  // Every file includes the next one eight times: without a limit 8^8 files would be read.
  for (int i = 0; i < 7; ++i) {
    std::string list;
    for (int k = 0; k < 8; ++k) list += fmt::format("'f{}.cfg',", i + 1);
    write(fmt::format("f{}.cfg", i), fmt::format("include = [{}]", list));
  }
  write("f7.cfg", "");
  EXPECT_THAT(fault_of_file((folder_ / "f0.cfg").string()), HasSubstr("or 64 in all"));
}

TEST_F(PlanFiles, MissingFileSuggestsItsNeighbour) {
  write("plan_a.cfg", "");
  EXPECT_THAT(fault_of_file((folder_ / "plan_b.cfg").string()),
              AllOf(HasSubstr("no such plan"), HasSubstr("did you mean 'plan_a.cfg'?")));
  EXPECT_THAT(fault_of_file(folder_.string()), HasSubstr("not a regular file"));
}

TEST(Nearest, Distances) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("lamda", "lambda"), 1u);
  EXPECT_EQ(edit_distance("bacth", "batch"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  const std::vector<std::string_view> names{"lr", "weight_decay", "clip"};
  EXPECT_EQ(nearest_name("weigth_decay", names), "weight_decay");
  EXPECT_EQ(nearest_name("xyzzy", names), "");
  EXPECT_EQ(nearest_name("", names), "");
}

}  // namespace
}  // namespace ktrain
