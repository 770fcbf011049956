#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tiny_run.h"
#include "train/compare_command.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Two runs of one plan, with their overrides, in folders of their own.
struct Two {
  Two(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    for (const auto& [name, overrides] : {std::pair("a", &a), std::pair("b", &b)}) {
      RunCommand command = tiny.command(*overrides);
      command.overrides.push_back("output.dir=" + folder(name));
      command.overrides.push_back("data.root=" + tiny.data() + (overrides->empty() ? "" : "2"));
      if (tiny.run(command) != 0) throw std::runtime_error(tiny.output());
    }
  }
  [[nodiscard]] std::string folder(const std::string& name) const {
    return tiny.runs() + "/" + name;
  }
  [[nodiscard]] Comparison compare(const ComparisonOptions& options = {}) const {
    return compare_runs({folder("a"), folder("b")}, options);
  }

  TinyRun tiny;
};

std::vector<std::string> keys_of(const Comparison& c) {
  std::vector<std::string> keys;
  for (const SettingRow& row : c.settings) keys.push_back(row.key);
  return keys;
}

std::string fault_of(const std::vector<std::string>& runs, const ComparisonOptions& options = {}) {
  try {
    (void)compare_runs(runs, options);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "no fault";
}

TEST(Compare, OneFactorGivesADifferenceWithoutAWarning) {
  const Two two({}, {"optimizer.lr=0.002", "data.workers=0"});
  ComparisonOptions options;
  options.factors = {"optimizer.lr"};
  const Comparison c = two.compare(options);
  EXPECT_THAT(keys_of(c), ElementsAre("optimizer.lr"));  // loader threads change nothing
  EXPECT_TRUE(c.settings[0].declared);
  EXPECT_THAT(c.settings[0].values, ElementsAre("0.001", "0.002"));
  ASSERT_EQ(c.pairs.size(), 1u);
  EXPECT_EQ(c.pairs[0].refused, "");
  ASSERT_EQ(c.pairs[0].differences.size(), 4u);
  // The value is the difference of the two recorded scores: the boxes were matched again.
  for (const MetricDifference& d : c.pairs[0].differences) {
    EXPECT_NEAR(d.interval.value,
                *c.runs[1].best()->metric(d.metric) - *c.runs[0].best()->metric(d.metric),
                1e-6)  // detections.txt has four decimals of a pixel
        << d.metric;
    EXPECT_LE(d.interval.lo, d.interval.value);
    EXPECT_GE(d.interval.hi, d.interval.value);
  }
  for (const std::string& warning : c.warnings)
    EXPECT_THAT(warning, Not(HasSubstr("settings differ")));
  const std::string text = comparison_text(c, options);
  for (const char* const part : {"settings that differ", "optimizer.lr (factor)", "map by epoch",
                                 "B (epoch", "95 % interval", "2000 resamples"})
    EXPECT_THAT(text, HasSubstr(part));
  const auto json = nlohmann::json::parse(comparison_json(c, options));
  EXPECT_EQ(json["settings"][0]["key"], "optimizer.lr");
  EXPECT_EQ(json["runs"][0]["validations"].size(), 3u);
  EXPECT_TRUE(json["pairs"][0]["refused"].is_null());
}

TEST(Compare, MoreThanTheDeclaredFactorIsWarnedOf) {
  const Two two({}, {"optimizer.lr=0.002", "optimizer.clip=1"});
  ComparisonOptions options;
  options.factors = {"optimizer.lr"};
  EXPECT_THAT(two.compare(options).warnings,
              testing::Contains(HasSubstr("beside the declared factors: optimizer.clip")));
  EXPECT_THAT(two.compare().warnings, testing::Contains(HasSubstr("2 settings differ")));
  options.factors = {"optimizer"};  // a group
  for (const std::string& warning : two.compare(options).warnings)
    EXPECT_THAT(warning, Not(HasSubstr("settings differ")));
  options.factors = {"optimizer.lrr"};
  EXPECT_THAT(fault_of({two.folder("a"), two.folder("b")}, options),
              HasSubstr("did you mean 'optimizer.lr'?"));
}

TEST(Compare, OtherDataOrProtocolGiveNoDifference) {
  const Two other({}, {"data.synth.seed=6"});
  const Comparison c = other.compare();
  EXPECT_THAT(c.pairs[0].refused, HasSubstr("the validations are of"));
  EXPECT_TRUE(c.pairs[0].differences.empty());
  EXPECT_THAT(comparison_text(c, {}), HasSubstr(": not compared: the validations are of"));
  EXPECT_THAT(comparison_text(c, {}), Not(HasSubstr("paired bootstrap")));
  const Two protocol({}, {"eval.score_threshold=0.1"});
  EXPECT_THAT(protocol.compare().pairs[0].refused,
              HasSubstr("eval.score_threshold is 0.05 and 0.1"));
}

TEST(Compare, FoldersThatAreNoRunsAreNamed) {
  const Two two({}, {"seed=2"});
  const std::string run = two.folder("a");
  EXPECT_THAT(fault_of({run}), HasSubstr("KT-CLI-001"));
  EXPECT_THAT(fault_of({run, "/nowhere"}), HasSubstr("KT-CMP-001: /nowhere: no such folder"));
  EXPECT_THAT(fault_of({run, two.tiny.data()}), HasSubstr("it has no run.cfg"));
  ComparisonOptions late;
  late.at = "epoch_7";
  EXPECT_THAT(fault_of({run, two.folder("b")}, late), HasSubstr("KT-CMP-004"));
  fs::remove(run + "/val/epoch_01/detections.txt");
  late.at = "epoch_1";
  EXPECT_THAT(fault_of({run, two.folder("b")}, late), HasSubstr("KT-CMP-003"));
  std::ofstream(run + "/scalars.jsonl", std::ios::app) << "{\"kind\":\"validation\",\n";
  EXPECT_THAT(fault_of({run, two.folder("b")}), HasSubstr("KT-CMP-002"));
}

}  // namespace
}  // namespace ktrain::test
