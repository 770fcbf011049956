// Reports of recoveries and experiments, and what a report says of the recovery a run belongs to.
#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/tiny_run.h"
#include "train/report/page.h"
#include "train/report/recovery_data.h"
#include "train/report/report_command.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// What a run leaves at least.
void make_run(const std::string& folder, double map = 0.5) {
  fs::create_directories(folder);
  write_text(folder + "/STATUS", json{{"state", "done"}, {"epochs", 1}, {"steps", 4}}.dump());
  write_text(
      folder + "/scalars.jsonl",
      json{{"kind", "validation"}, {"step", 4}, {"epoch", 1}, {"map", map}, {"best", true}}.dump() +
          "\n");
}

json ran(int n, const std::string& node, const std::string& run) {
  return {{"n", n},
          {"kind", "run"},
          {"node", node},
          {"did", "ran " + node},
          {"evidence",
           {{node, {{"run", run}, {"epoch", 1}, {"state", "done"}, {"metrics", {{"map", 0.5}}}}}}},
          {"checks",
           {{{"of", node},
             {"level", "success"},
             {"holds", false},
             {"criteria",
              {{{"name", "map"}, {"found", "0.5000 (epoch 1)"}, {"wanted", "at least 0.8"}}}}}}},
          {"rule", "no rule holds, so on"}};
}

json claim(const std::string& name, const std::string& status, const std::string& why) {
  return {{"n", 9},           {"kind", "hypothesis"},    {"hypothesis", name},
          {"status", status}, {"text", "claim " + name}, {"measurement", "measure of " + name},
          {"why", why}};
}

// `written` is the --runs folder as the records name it.
void make_recovery(const std::string& folder, const std::string& name, const std::string& written,
                   const std::vector<std::string>& runs) {
  fs::create_directories(folder);
  write_text(folder + "/state.json", json{{"state", "done"}, {"recovery", name}}.dump());
  std::string lines;
  for (std::size_t i = 0; i < runs.size(); ++i)
    lines += ran(static_cast<int>(i) + 1, "node" + std::to_string(i + 1), written + "/" + runs[i])
                 .dump() +
             "\n";
  lines +=
      json{{"n", 7}, {"kind", "end"}, {"node", "over"}, {"did", "not recovered"}}.dump() + "\n";
  lines += claim("conflict", "supported", "cosine \u22120.31 <in> 5 windows").dump() + "\n";
  lines += claim("quality", "refuted", "0.01 [0.00, 0.02]").dump() + "\n";
  lines += claim("sparse", "untested", "not carried out").dump() + "\n";
  lines += claim("other", "inconclusive", "covers the bound").dump() + "\n";
  write_text(folder + "/decisions.jsonl", lines);
}

std::string page_of_folders(const std::vector<std::string>& folders, const std::string& out) {
  std::ostringstream said;
  EXPECT_EQ(run_report({.runs = folders, .out = out}, said), 0);
  return read_text(out);
}

std::string fault_of(const std::string& folder) {
  try {
    (void)report::read_report({folder});
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "no fault";
}

TEST(ReportRecovery, ARunHearsOnlyOfItselfAndNotOfItsNamesake) {
  TemporaryFolder temp;
  for (const char* const run : {"runs/recovery/plan_a", "runs/plan_a", "runs/stage1"})
    make_run(temp / run);
  make_recovery(temp / "runs/recovery", "recovery", "somewhere/runs",
                {"stage1", "recovery/plan_a"});
  // Both recoveries know a run plan_a; each its own.
  make_recovery(temp / "runs/second", "second", "runs", {"plan_a"});
  const auto named = [&](const std::string& run) {
    std::vector<std::string> out;
    for (const auto& recovery : report::recoveries_of(temp / run)) out.push_back(recovery.name);
    return out;
  };
  EXPECT_THAT(named("runs/recovery/plan_a"), ElementsAre("recovery"));
  EXPECT_THAT(named("runs/plan_a"), ElementsAre("second"));
  EXPECT_THAT(named("runs/stage1"), ElementsAre("recovery"));
  // Another way to write the same folder.
  EXPECT_THAT(named("runs/second/../stage1/"), ElementsAre("recovery"));

  const std::string page = page_of_folders({temp / "runs/stage1"}, temp / "r.html");
  EXPECT_THAT(page, HasSubstr("ran node1"));
  EXPECT_THAT(page, Not(HasSubstr("ran node2"))) << "that one speaks of plan_a";
  EXPECT_THAT(page, HasSubstr("does not reach</b> success"));
}

TEST(ReportRecovery, ShowsHypothesesWithStatusAndMeasurement) {
  TemporaryFolder temp;
  make_run(temp / "runs/stage1");
  make_recovery(temp / "runs/recovery", "recovery", "runs", {"stage1"});
  const std::string page = page_of_folders({temp / "runs/stage1"}, temp / "r.html");
  EXPECT_THAT(page, HasSubstr("<td class=\"status-supported\">supported</td>"));
  EXPECT_THAT(page, HasSubstr("<td class=\"status-refuted\">refuted</td>"));
  EXPECT_THAT(page, HasSubstr("<td class=\"status-open\">untested</td>"));
  EXPECT_THAT(page, HasSubstr("<td class=\"status-open\">inconclusive</td>"));
  EXPECT_THAT(page, HasSubstr("claim conflict"));
  EXPECT_THAT(page, HasSubstr("measure of conflict"));
  EXPECT_THAT(page, HasSubstr("cosine \u22120.31 &lt;in&gt; 5 windows"));
}

TEST(ReportRecovery, ARecoveryStandsForAllItsRuns) {
  TemporaryFolder temp;
  make_run(temp / "runs/stage1", 0.41);
  make_run(temp / "runs/kaist/recovery/b", 0.52);
  make_recovery(temp / "runs/kaist/recovery", "kaist/recovery", "/no/such/runs",
                {"stage1", "kaist/recovery/b", "gone"});
  const report::Report read = report::read_report({temp / "runs/kaist/recovery"});
  ASSERT_EQ(read.runs.size(), 2U);
  EXPECT_EQ(read.runs[0].name, "stage1");
  EXPECT_EQ(read.runs[1].name, "b");
  const std::string page = page_of_folders({temp / "runs/kaist/recovery"}, temp / "r.html");
  EXPECT_THAT(page, HasSubstr("it came to: not recovered"));
  EXPECT_THAT(page, HasSubstr("node1 \u2192 node2 \u2192 node3 \u2192 over"));
  EXPECT_THAT(page, HasSubstr("All of the 4 decisions"));
  EXPECT_THAT(page,
              HasSubstr("/no/such/runs/gone: the run that a decision speaks of is not there"));
  EXPECT_THAT(page, HasSubstr(">0.4100<"));
  EXPECT_THAT(page, HasSubstr(">0.5200<"));
}

TEST(ReportRecovery, ARunThatFailedAndAComparisonThatWasRefusedAreSaid) {
  TemporaryFolder temp;
  make_run(temp / "runs/stage1");
  make_recovery(temp / "runs/recovery", "recovery", "runs", {"stage1"});
  json failed = ran(2, "a", "runs/stage1");
  failed["evidence"]["a"] = {
      {"run", "runs/stage1"}, {"state", "failed"}, {"failure", "loss not finite at step 7"}};
  failed["refused"] = "other pictures";
  json collected = ran(3, "hypotheses.h", "runs/stage1");
  collected["kind"] = "collect";
  std::ofstream(temp / "runs/recovery/decisions.jsonl", std::ios::app) << failed.dump() << '\n'
                                                                       << collected.dump() << '\n';
  const std::string page = page_of_folders({temp / "runs/recovery"}, temp / "r.html");
  EXPECT_THAT(page, HasSubstr("a: failed, loss not finite at step 7"));
  EXPECT_THAT(page, HasSubstr("not compared: other pictures"));
  EXPECT_THAT(page, HasSubstr("Way taken: node1 \u2192 over \u2192 a."));
}

TEST(ReportRecovery, ARecoveryWithoutADecisionSaysSo) {
  TemporaryFolder temp;
  fs::create_directories(temp / "runs/recovery");
  write_text(temp / "runs/recovery/state.json",
             json{{"state", "running"}, {"recovery", "recovery"}}.dump());
  EXPECT_THAT(fault_of(temp / "runs/recovery"), HasSubstr("has not decided on a run"));
}

TEST(ReportRecovery, AnExperimentOfAFewRunsIsShownAndAGreatOneNamesWhatToPass) {
  TemporaryFolder temp;
  const std::string folder = temp / "runs/small";
  make_run(folder + "/q0/base/seed_1");
  make_run(folder + "/q3/base/seed_1");
  write_text(folder + "/DESIGN", "{}");
  write_text(folder + "/design.cfg", "name = \"small\"\n");
  const report::Report read = report::read_report({folder});
  ASSERT_EQ(read.runs.size(), 2U);
  EXPECT_EQ(read.runs[0].name, "q0/base/seed_1");
  EXPECT_THAT(read.notes.at(0), HasSubstr("--analyse-only"));
  for (int seed = 2; seed < 10; ++seed) make_run(folder + "/q0/base/seed_" + std::to_string(seed));
  const std::string fault = fault_of(folder);
  EXPECT_THAT(fault, HasSubstr("KT-DATA-070"));
  EXPECT_THAT(fault, HasSubstr("an experiment of 10 runs"));
  EXPECT_THAT(fault, HasSubstr(folder + "/q0/base/seed_1, "));
  EXPECT_THAT(fault, HasSubstr("ktrain experiment " + folder + "/design.cfg --analyse-only"));
  EXPECT_THAT(fault_of(temp / "runs"), HasSubstr("10 are beneath it"));
  EXPECT_THAT(fault_of(temp / "nothing"), HasSubstr("found neither STATUS"));
}

}  // namespace
}  // namespace ktrain::test
