// The monitor in real training steps when something is wrong: numbers that are not finite, a state
// that was damaged, names that do not exist, epochs too short for its rule.
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "tests/support/message.h"
#include "tests/support/tiny_run.h"
#include "train/monitor/probe_json.h"
#include "train/run_setup.h"
#include "train/run_state.h"

namespace ktrain::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Notice kQuiet = [](const std::string&) {};

std::vector<std::string> plan_with(const std::vector<std::string>& more) {
  std::vector<std::string> all = {"threads=1",
                                  "monitor.interval=1",
                                  "monitor.burst=0",
                                  "monitor.budget_pct=10000",
                                  "monitor.sketch=256",
                                  "loss.planted.weight=0.3",
                                  "loss.planted.kind=negative_det",
                                  "monitor.real_every=0",
                                  "monitor.loo_every=0"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string fault_of(const std::function<void()>& act, const std::string& id) {
  try {
    act();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), id) << fault.what();
    return fault.what();
  }
  ADD_FAILURE() << "no fault";
  return "";
}

TEST(MonitorState, WhatIsNotFiniteIsLeftOutWithANoticePerKindAndTheRunGoesOn) {
  const TinyRun tiny;
  RunSetup setup(load_plan(tiny.plan(), plan_with({})), kQuiet);
  RunSetup sound(load_plan(tiny.plan(), plan_with({})), kQuiet);
  Monitor& monitor = setup.training().monitor();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (std::int64_t step = 0; step < 3; ++step) {
    monitor.set_real(std::vector<double>(5, kInf));
    monitor.set_leave_one_out(1, std::numeric_limits<double>::quiet_NaN());
    monitor.set_leave_one_out(1, -kInf);
    const StepReport report = setup.train_step(step), want = sound.train_step(step);
    EXPECT_EQ(report.values.terms, want.values.terms);
    const ProbeRecord record = probe_from_json(report.monitor.lines.at(0), "memory", 1);
    EXPECT_TRUE(record.real.empty());
    EXPECT_EQ(record.groups.size(), 13u);
    std::string texts;
    for (const std::string& text : report.monitor.texts) texts += text + "\n";
    if (step == 0) {
      EXPECT_THAT(texts, HasSubstr("change that a second forward pass found is not finite"));
      EXPECT_THAT(texts, HasSubstr("held-out detection loss"));
    } else {
      EXPECT_THAT(texts, Not(HasSubstr("not finite"))) << "once";
    }
    for (const std::string& line : report.monitor.lines)
      EXPECT_EQ(line.find("\"kind\":\"loo\""), std::string::npos);
  }
  // A number that is not finite would be a null.
  for (const char* null : {":null", "[null", ",null"})
    EXPECT_EQ(monitor.state_text().find(null), std::string::npos) << monitor.state_text();
}

TEST(MonitorState, HalvesOfTheBatchReachTheFusionAndTheHeads) {
  const TinyRun tiny;
  RunSetup setup(load_plan(tiny.plan(), plan_with({"monitor.half_every=1"})), kQuiet);
  (void)setup.train_step(0);
  const auto state = nlohmann::json::parse(setup.training().monitor().state_text());
  for (const char* group : {"visible.layer1", "thermal.neck", "fusion", "rpn", "roi"}) {
    ASSERT_TRUE(state["self"].contains(group)) << group;
    EXPECT_LE(std::abs(state["self"][group].get<double>()), 1.0001);
  }
}

TEST(MonitorState, ADamagedStateIsRefusedWithTheFileAndWhatToDo) {
  const TinyRun tiny;
  const ResolvedPlan plan =
      load_plan(tiny.plan(), plan_with({"remedy.kind=pc_asym", "remedy.mode=live"}));
  RunSetup setup(plan, kQuiet), again(plan, kQuiet);
  for (std::int64_t step = 0; step < 2; ++step) (void)setup.train_step(step);
  const TemporaryFolder folder;
  std::string path;
  int files = 0;
  const auto restore = [&](const std::string& text) {
    Metadata metadata;
    metadata["monitor"] = text;
    path = folder / fmt::format("step{}.safetensors", ++files);
    (void)write_checkpoint_file(real_file_system(), path, state_arrays(setup.training()), metadata);
    return again.training().monitor().restore(read_checkpoint_file(real_file_system(), path));
  };
  const std::string whole = setup.training().monitor().state_text();
  using Json = nlohmann::json;
  const std::vector<std::pair<const char*, std::function<void(Json&)>>> damages = {
      {"a block that is not there",
       [](Json& j) {
         j["sketches"] = {1, 1, 40, 1};
       }},
      {"more probes than a block holds",
       [](Json& j) {
         j["sketches"] = {1, 1, 1, 9};
       }},
      {"blocks of no size",
       [](Json& j) {
         j["sketches"] = {1, 0, 1, 1};
       }},
      {"too few numbers",
       [](Json& j) {
         j["sketches"] = {1, 2};
       }},
      {"squares of another number of losses",
       [](Json& j) {
         j["squares"]["fusion"] = {{1.0, 2.0, 3.0, 4.0}};
       }},
      {"a null", [](Json& j) { j["self"]["fusion"] = nullptr; }},
      {"a schedule without an interval", [](Json& j) { j["schedule"]["interval"] = 0; }},
      {"no schedule at all", [](Json& j) { j["schedule"] = "x"; }},
      {"alarms that are no text", [](Json& j) { j["alarms"] = 3; }},
      {"alarms that are no JSON", [](Json& j) { j["alarms"] = "{"; }},
      {"a key that is missing", [](Json& j) { j.erase("said"); }},
      {"leave-one-out of another form",
       [](Json& j) {
         j["left_out"] = {{"planted", {1.0}}};
       }},
      {"an epoch before the first", [](Json& j) { j["segment_epoch"] = -2; }},
      {"moments that are one", [](Json& j) { j["moments"]["fusion"] = {1.0}; }},
      {"a remedy that is a number", [](Json& j) { j["remedy"] = 7; }},
      {"a remedy's state of another form",
       [](Json& j) { j["remedy"] = "{\"started\":1,\"remedy\":2}"; }}};
  for (const auto& [what, damage] : damages) {
    SCOPED_TRACE(what);
    Json json = Json::parse(whole);
    damage(json);
    const std::string message = fault_of([&] { (void)restore(json.dump()); }, "KT-CKPT-003");
    EXPECT_THAT(message, HasSubstr(path));
    EXPECT_THAT(message, HasSubstr("move the file away"));
  }
  const std::string cut = fault_of([&] { (void)restore(whole.substr(0, 40)); }, "KT-CKPT-003");
  EXPECT_THAT(cut, HasSubstr(path));
  EXPECT_EQ(restore(whole), "");
}

TEST(MonitorState, ARemedyForAGroupThatIsNotThereIsRefused) {
  const TinyRun tiny;
  const auto build = [&](const std::string& groups, const std::string& more) {
    RunSetup setup(load_plan(tiny.plan(), plan_with({"remedy.kind=cut", groups, more})), kQuiet);
  };
  const std::string message = fault_of(
      [&] { build("remedy.groups=[\"visible.stm\"]", "model.shared=false"); }, "KT-CFG-008");
  EXPECT_THAT(message, HasSubstr("'visible.stm'"));
  EXPECT_THAT(message, HasSubstr("visible.layer1, visible.layer2"));
  // What a pass contributes to shared weights is no weight of its own.
  EXPECT_THAT(
      fault_of([&] { build("remedy.groups=[\"visible\"]", "model.shared=true"); }, "KT-CFG-008"),
      HasSubstr("shared.layer1"));
  EXPECT_NO_THROW(build("remedy.groups=[\"visible\", \"rpn\"]", "model.shared=false"));
}

TEST(MonitorState, EpochsTooShortForTheAlarmRuleAreSaidAtTheStartAndAtTheEnd) {
  const TinyRun tiny;
  RunSetup setup(load_plan(tiny.plan(), plan_with({})), kQuiet);
  ASSERT_LT(setup.timeline().steps_per_epoch, 20);
  EXPECT_THAT(setup.heading(), HasSubstr("the alarm rule wants 20 of one epoch and cannot speak"));
  (void)setup.train_step(0);
  EXPECT_THAT(setup.training().monitor().summary(),
              HasSubstr("No alarm could be: its rule wants 20 probes of one epoch, at most 1"));
  const Monitor& monitor = setup.training().monitor();
  EXPECT_THAT(monitor.heading({2, 20}), Not(HasSubstr("notice")));
  RunSetup sparse(load_plan(tiny.plan(), plan_with({"monitor.interval=50", "monitor.burst=20",
                                                    "monitor.burst_steps=200"})),
                  kQuiet);
  EXPECT_THAT(sparse.training().monitor().heading({2, 500}),
              HasSubstr("holds 10 probes at most (the first 26); the alarm rule wants 20 of one "
                        "epoch and cannot speak after the first; monitor.interval = 25"));
  EXPECT_THAT(sparse.training().monitor().heading({2, 1000}), Not(HasSubstr("notice")));
}

TEST(MonitorState, ABudgetOfNothingAndABalanceOfLossesBelowZeroAreRefused) {
  const TinyRun tiny;
  EXPECT_THAT(fault_of([&] { (void)load_plan(tiny.plan(), plan_with({"monitor.budget_pct=0"})); },
                       "KT-CFG-008"),
              HasSubstr("monitor.profile = off"));
  EXPECT_NO_THROW((void)load_plan(tiny.plan(), {"monitor.budget_pct=0", "monitor.profile=off"}));
  for (const char* kind : {"mmd", "grl"})
    EXPECT_THAT(fault_of(
                    [&] {
                      (void)load_plan(tiny.plan(),
                                      {"remedy.kind=gradnorm", "loss.domain.weight=0.1",
                                       std::string("loss.domain.kind=") + kind});
                    },
                    "KT-CFG-008"),
                HasSubstr("gradnorm balances"));
}

}  // namespace
}  // namespace ktrain::test
