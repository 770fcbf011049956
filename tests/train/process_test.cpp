// Runs that are killed, interrupted and preempted: as processes of their own.
#include <filesystem>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/child.h"
#include "tests/support/tiny_run.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::vector<std::string> arguments(const TinyRun& tiny, const std::string& runs,
                                   const std::vector<std::string>& overrides) {
  std::vector<std::string> out = {tiny.plan(), "--runs", runs};
  for (const std::string& text : overrides) {
    out.push_back("--set");
    out.push_back(text);
  }
  return out;
}

// Waits until the log of the run has a line with `text`; false after half a minute.
bool wait_for(const std::string& file, const std::string& text) {
  for (int i = 0; i < 3000; ++i, sleep_ms(10))
    if (fs::exists(file) && read_text(file).find(text) != std::string::npos) return true;
  return false;
}

TEST(Process, KilledAtTwentyRandomMomentsARunEndsInTheSameBits) {
  constexpr int kKills = 20;
  constexpr std::int64_t kSteps = 160;
  const std::vector<std::string> overrides = {"train.epochs=40", "train.eval_every=5",
                                              "train.checkpoint_every=1", "train.average=0.01",
                                              "threads=1"};
  TinyRun tiny;
  const std::string whole = tiny.runs() + "-whole", output = tiny.runs() + "-output";
  ASSERT_EQ(Child(arguments(tiny, whole, overrides), output).wait(), 0) << read_text(output);
  const std::string expected = TinyRun::state_hash(whole + "/tiny", kSteps);

  std::mt19937 random(20);
  std::uniform_int_distribution<int> delay_ms(20, 500);
  int kills = 0;
  // A run that comes to its end before it could be killed often enough is followed by another.
  for (int run = 0; kills < kKills; ++run) {
    ASSERT_LT(run, kKills);
    const std::string runs = tiny.runs() + std::to_string(run);
    for (int code = -SIGKILL; code == -SIGKILL;) {
      Child child(arguments(tiny, runs, overrides), output);
      if (kills < kKills) {
        sleep_ms(delay_ms(random));
        child.signal(SIGKILL);
      }
      code = child.wait();
      kills += code == -SIGKILL;
      ASSERT_TRUE(code == 0 || code == -SIGKILL) << code << '\n' << read_text(output);
    }
    EXPECT_EQ(TinyRun::state_hash(runs + "/tiny", kSteps), expected) << "run " << run;
    EXPECT_EQ(read_text(runs + "/tiny/val/epoch_40/detections.txt"),
              read_text(whole + "/tiny/val/epoch_40/detections.txt"));
  }
  EXPECT_EQ(kills, kKills);
}

class StopRequest : public testing::TestWithParam<std::tuple<int, int, const char*>> {};

TEST_P(StopRequest, SavesLeavesAndGoesOn) {
  const auto [signal, wanted, state] = GetParam();
  TinyRun tiny;
  const std::string output = tiny.runs() + "-output", folder = tiny.run_folder();
  const std::vector<std::string> overrides = {"train.epochs=100000", "train.eval_every=100000",
                                              "train.checkpoint_every=1000000"};
  Child child(arguments(tiny, tiny.runs(), overrides), output);
  ASSERT_TRUE(wait_for(folder + "/train.log", "step     2/")) << read_text(output);
  child.signal(signal);
  EXPECT_EQ(child.wait(), wanted) << read_text(output);
  const auto status = nlohmann::json::parse(read_text(folder + "/STATUS"));
  EXPECT_EQ(status["state"], state);
  const std::int64_t step = status["step"];
  EXPECT_GE(step, 2);
  EXPECT_TRUE(fs::exists(folder + "/weights/" + TinyRun::step_name(step)));
  EXPECT_THAT(read_text(output), HasSubstr("the same command goes on from here"));

  Child second(arguments(tiny, tiny.runs(), overrides), output);
  ASSERT_TRUE(wait_for(output, "resume    step " + std::to_string(step)));
  second.signal(signal);
  EXPECT_EQ(second.wait(), wanted);
}

INSTANTIATE_TEST_SUITE_P(Signals, StopRequest,
                         testing::Values(std::tuple(SIGTERM, 75, "preempted"),
                                         std::tuple(SIGINT, 130, "interrupted")),
                         [](const auto& test) { return std::string(std::get<2>(test.param)); });

TEST(Process, ASecondRunInTheSameFolderIsRefused) {
  TinyRun tiny;
  const std::string output = tiny.runs() + "-output";
  const std::vector<std::string> overrides = {"train.epochs=100000", "train.eval_every=100000"};
  Child child(arguments(tiny, tiny.runs(), overrides), output);
  ASSERT_TRUE(wait_for(tiny.run_folder() + "/train.log", "step     2/")) << read_text(output);
  EXPECT_EQ(Child(arguments(tiny, tiny.runs(), overrides), output + "2").wait(), 73);
  EXPECT_THAT(read_text(output + "2"), HasSubstr("KT-IO-011"));
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 75);
}

TEST(Process, AnErrorIsOneLineAndTheExitCode) {
  TinyRun tiny;
  const std::string output = tiny.runs() + "-output";
  EXPECT_EQ(Child(arguments(tiny, tiny.runs(), {"optimizer.lamda=1"}), output).wait(), 78);
  EXPECT_THAT(read_text(output),
              testing::MatchesRegex("ktrain: error KT-CFG-001: .*lamda.*\nktrain: exit 78 PLAN\n"));
}

}  // namespace
}  // namespace ktrain::test
