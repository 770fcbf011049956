// A whole experiment of runs that take a moment: from warm starts to the report.
#include "train/experiment/runner.h"

#include <csignal>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/child.h"
#include "tests/support/experiment.h"
#include "tests/support/tiny_run.h"
#include "train/experiment_command.h"

namespace ktrain::experiment {
namespace {

namespace fs = std::filesystem;
using test::read_text;
using testing::HasSubstr;

class TinyExperiment {
 public:
  TinyExperiment() {
    const std::string plan = test::tiny_plan_text(tiny.data());
    const auto steps = [&](const std::string& count) {
      std::string text = plan;
      text.replace(text.find("epochs = 3"), 10, "epochs = 1\nsteps = " + count);
      return text;
    };
    tiny.write("warm.cfg", steps("3"));
    tiny.write("arm.cfg", steps("2"));
    write_design("");
    options.design = folder() + "/design.cfg";
    options.runs = tiny.runs();
    options.out = folder() + "/out/report.md";
  }

  void write_design(const std::string& more) {
    tiny.write("design.cfg", R"(name = "trial"
title = "A trial of the machinery"
[runs]
warm = "warm.cfg"
arm = "arm.cfg"
seeds = [1, 2]
groups = ["visible.layer1"]
[roles]
poor = "q3"
good = "q0"
baseline = "lambda_0"
treatment = "lambda_0.05"
[rule]
[[quality]]
name = "q0"
[[quality]]
name = "q3"
set = ["data.flip=0.0"]
[[arm]]
name = "lambda_0"
loss = ""
[[arm]]
name = "lambda_0.05"
set = ["optimizer.lr=2e-3"]
)" + more);
  }

  [[nodiscard]] std::string folder() const { return fs::path(tiny.plan()).parent_path().string(); }
  [[nodiscard]] std::vector<Cell> cells() const {
    return cells_of(load_design(options.design), options.runs);
  }
  int run() {
    std::ostringstream out;
    const int code = run_experiment(options, out);
    output = out.str();
    return code;
  }

  test::TinyRun tiny;
  ExperimentOptions options;
  std::string output;
};

// Everything that a rerun could touch.
std::map<std::string, fs::file_time_type> checkpoint_times(const std::string& runs) {
  std::map<std::string, fs::file_time_type> out;
  for (const auto& entry : fs::recursive_directory_iterator(runs))
    if (entry.path().extension() == ".safetensors")
      out[entry.path().string()] = entry.last_write_time();
  return out;
}

TEST(Experiment, RunsAnalysesAndIsFoundCompleteTheNextTime) {
  TinyExperiment trial;
  ASSERT_EQ(trial.run(), 0) << trial.output;
  EXPECT_THAT(trial.output, HasSubstr("run  10/10  seed 2, q3, lambda_0.05: mAP"));
  EXPECT_THAT(trial.output, HasSubstr("runs      10 of 10 done, 0 failed"));
  const std::string report = read_text(trial.options.out);
  EXPECT_THAT(report, HasSubstr("Verdict by the rule set before the first run: inconclusive"));
  EXPECT_THAT(report, HasSubstr("| q3 | lambda_0.05 | 2 |"));
  // Arms begin with the weights of their own seed's warm start.
  for (const Cell& cell : trial.cells())
    if (!cell.warm()) {
      EXPECT_THAT(read_text(cell.folder + "/run.cfg"),
                  HasSubstr("warm/seed_" + std::to_string(cell.seed) +
                            "/weights/step_00000003.safetensors"));
    }

  const auto before = checkpoint_times(trial.options.runs);
  ASSERT_EQ(trial.run(), 0);
  EXPECT_EQ(checkpoint_times(trial.options.runs), before);
  EXPECT_THAT(trial.output, testing::Not(HasSubstr("run  ")));
  trial.options.analyse_only = true;
  ASSERT_EQ(trial.run(), 0);
  EXPECT_EQ(read_text(trial.options.out), report);

  // A design that was changed afterwards is refused; its runs stay.
  trial.write_design("expect = \"alarm\"\n");
  trial.options.analyse_only = false;
  try {
    (void)trial.run();
    ADD_FAILURE() << "a changed design was accepted";
  } catch (const Fault& fault) {
    EXPECT_THAT(fault.what(), HasSubstr("KT-EXP-001"));
  }
  EXPECT_EQ(checkpoint_times(trial.options.runs), before);
}

TEST(Experiment, GoesOnAfterItWasStoppedOrKilled) {
  TinyExperiment trial;
  const std::vector<std::string> arguments = {
      "experiment", trial.options.design, "--runs", trial.options.runs, "--out", trial.options.out};
  const std::string output = trial.folder() + "/output";
  const auto done = [&] { return count_runs(trial.cells()).done; };
  std::int64_t before = 0;
  for (const auto& [signal, code] : {std::pair(SIGTERM, 75), std::pair(SIGKILL, -SIGKILL)}) {
    test::Child child(arguments, output);
    for (int i = 0; i < 6000 && done() < before + 2; ++i) test::sleep_ms(10);
    child.signal(signal);
    EXPECT_EQ(child.wait(), code) << read_text(output);
    EXPECT_GE(done(), before + 2);
    EXPECT_LT(done(), 10);
    before = done();
  }
  ASSERT_EQ(test::Child(arguments, output).wait(), 0) << read_text(output);
  EXPECT_EQ(done(), 10);
}

TEST(Experiment, ARunThatFailsByItsOwnNumbersIsAResult) {
  TinyExperiment trial;
  trial.write_design(
      "[[arm]]\nname = \"wild\"\nset = [\"optimizer.lr=100.0\", "
      "\"optimizer.clip=0.0\", \"optimizer.kind=sgd\", \"train.epochs=20\", "
      "\"train.steps=80\"]\nqualities = [\"q3\"]\n");
  ASSERT_EQ(trial.run(), 0) << trial.output;
  EXPECT_THAT(trial.output, HasSubstr("seed 1, q3, wild: failed, KT-NUM"));
  EXPECT_THAT(trial.output, HasSubstr("runs      10 of 12 done, 2 failed"));
  EXPECT_THAT(read_text(trial.options.out), HasSubstr("- seed 1, q3, wild: KT-NUM"));
}

TEST(Experiment, WrongUseIsSaidBeforeAnythingIsTrained) {
  TinyExperiment trial;
  trial.options.analyse_only = true;
  EXPECT_THROW((void)trial.run(), Fault);  // nothing to analyse
  trial.options.analyse_only = false;
  trial.write_design("[[arm]]\nname = \"x\"\nset = [\"optimizer.lamda=1\"]\n");
  try {
    (void)trial.run();
    ADD_FAILURE() << "an unknown key was accepted";
  } catch (const Fault& fault) {
    EXPECT_THAT(fault.what(), HasSubstr("KT-CFG-001"));
  }
  EXPECT_FALSE(fs::exists(trial.options.runs + "/trial/warm"));
  trial.write_design("");
  trial.options.dry_run = true;
  ASSERT_EQ(trial.run(), 0);
  EXPECT_THAT(trial.output, HasSubstr("runs      10 in"));
  EXPECT_THAT(trial.output, HasSubstr("nothing was trained"));
  EXPECT_FALSE(fs::exists(trial.options.runs + "/trial/warm"));
}

}  // namespace
}  // namespace ktrain::experiment
