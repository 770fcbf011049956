// Folders of real runs, of killed ones and of damaged ones, looked at as a script does.
#include <filesystem>
#include <sstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include "tests/support/child.h"
#include "tests/support/tiny_run.h"
#include "train/cli.h"
#include "train/json_lines.h"
#include "train/run_folder.h"
#include "train/watch/screen.h"
#include "train/watch/watch_command.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

struct Seen {
  int code = -1;
  json look;
};

Seen look_at(const std::string& folder, double stall = 0) {
  std::ostringstream out;
  WatchOptions options{.folder = folder, .once = true, .json = true, .stall = stall};
  Seen seen;
  seen.code = run_watch(options, out);
  seen.look = json::parse(out.str());
  EXPECT_EQ(seen.look["exit_code"], seen.code);
  return seen;
}

void append(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app | std::ios::binary) << text;
}

json status_of(const std::string& run) { return json::parse(read_text(run + "/STATUS")); }

void set_status(const std::string& run, const std::string& key, const json& value) {
  json status = status_of(run);
  status[key] = value;
  write_text(run + "/STATUS", status.dump() + "\n");
}

// Waits until the log of the run has a line with `text`; false after half a minute.
bool wait_for(const std::string& file, const std::string& text) {
  for (int i = 0; i < 3000; ++i, sleep_ms(10))
    if (fs::exists(file) && read_text(file).find(text) != std::string::npos) return true;
  return false;
}

std::string alarm_line(const std::string& level, int step) {
  return json{{"kind", "alarm"},
              {"step", step},
              {"epoch", 1},
              {"level", level},
              {"group", "visible.layer1"},
              {"loss", "macl"},
              {"text", "det~macl -0.21 [-0.30, -0.12] over 40 probes"}}
             .dump() +
         "\n";
}

TEST(Watch, FindsNothing) {
  TemporaryFolder temp;
  EXPECT_EQ(look_at(temp.path()).code, 1);
  EXPECT_EQ(look_at(temp / "missing").code, 1);
}

TEST(Watch, ShowsARunThatIsDone) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0) << tiny.output();
  const Seen seen = look_at(tiny.runs());
  EXPECT_EQ(seen.code, 0) << seen.look.dump(2);
  ASSERT_EQ(seen.look["runs"].size(), 1U);
  const json& run = seen.look["runs"][0];
  EXPECT_EQ(run["run"], "tiny");
  EXPECT_EQ(run["state"], "done");
  EXPECT_EQ(run["held"], false);
  EXPECT_EQ(run["step"], 12);
  EXPECT_EQ(run["steps"], 12);
  EXPECT_EQ(run["epoch"], 3);
  EXPECT_EQ(run["checkpoints"], 2);
  EXPECT_EQ(run["newest_checkpoint"], 12);
  EXPECT_EQ(run["best_checkpoint"], true);
  EXPECT_GT(run["pairs_per_second"].get<double>(), 0);
  EXPECT_EQ(run["probes"], 0);
  // The numbers are those of the run's own records.
  std::istringstream lines(tiny.read("scalars.jsonl"));
  json train, validation;
  for (std::string line; std::getline(lines, line);) {
    const json record = json::parse(line);
    (record["kind"] == "train" ? train : validation) = record;
  }
  EXPECT_EQ(run["loss"], train["loss"]);
  EXPECT_EQ(run["losses"]["roi_cls"]["value"], train["roi_cls"]);
  EXPECT_EQ(run["losses"]["roi_cls"]["weight"], 1.0);
  EXPECT_EQ(run["latest"], validation);

  std::ostringstream text;
  EXPECT_EQ(run_watch({.folder = tiny.runs(), .once = true}, text), 0);
  EXPECT_THAT(text.str(), HasSubstr("epoch 3/3"));
  EXPECT_THAT(text.str(), HasSubstr("roi_cls"));
  EXPECT_THAT(text.str(), testing::Not(HasSubstr("\033")));
}

TEST(Watch, ShowsTheWeightOfALossOnItsWay) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"loss.roi_cls.weight={at=[0, 24], value=[0.0, 2.0]}", "stop.threshold=1.0",
                        "stop.patience=9"}),
            0)
      << tiny.output();
  const json run = look_at(tiny.runs()).look["runs"][0];
  EXPECT_EQ(run["losses"]["roi_cls"]["target"], 2.0);
  EXPECT_FLOAT_EQ(run["losses"]["roi_cls"]["weight"].get<float>(), 2.0F * 11 / 24);
  EXPECT_EQ(run["losses"]["rpn_cls"]["target"], nullptr);
  EXPECT_THAT(run["early_stop"].get<std::string>(), HasSubstr("(3 of 9)"));
}

TEST(Watch, TellsTheDeadFromTheLiving) {
  TinyRun tiny;
  const std::string output = tiny.runs() + "-output", folder = tiny.run_folder();
  const std::vector<std::string> arguments = {tiny.plan(),
                                              "--runs",
                                              tiny.runs(),
                                              "--set",
                                              "train.epochs=100000",
                                              "--set",
                                              "train.eval_every=100000"};
  {
    Child child(arguments, output);
    ASSERT_TRUE(wait_for(folder + "/scalars.jsonl", "\"step\":12")) << read_text(output);
    const Seen living = look_at(tiny.runs());
    EXPECT_EQ(living.code, 0) << living.look.dump(2);
    const json& run = living.look["runs"][0];
    EXPECT_EQ(run["state"], "running");
    EXPECT_EQ(run["held"], true);
    EXPECT_EQ(run["process"], status_of(folder)["process"]);
    EXPECT_GT(run["resident_bytes"].get<double>(), 1e6);
    EXPECT_GT(run["eta_seconds"].get<double>(), 0);
    child.signal(SIGKILL);
    ASSERT_EQ(child.wait(), -SIGKILL);
  }
  EXPECT_EQ(status_of(folder)["state"], "running");
  const Seen dead = look_at(tiny.runs());
  EXPECT_EQ(dead.code, 4);
  EXPECT_EQ(dead.look["runs"][0]["state"], "crashed");
  // The number of a process says nothing: another may have it by now. This one lives.
  set_status(folder, "process", ::getpid());
  EXPECT_EQ(look_at(tiny.runs()).code, 4);
  // Looking takes nothing away: the run goes on, and leaves on request.
  Child again(arguments, output);
  ASSERT_TRUE(wait_for(folder + "/train.log", "resume    step")) << read_text(output);
  again.signal(SIGTERM);
  ASSERT_EQ(again.wait(), 75);
  EXPECT_EQ(look_at(tiny.runs()).code, 3);
}

TEST(Watch, ARunThatStandsStillIsDegraded) {
  TinyRun tiny;
  const std::string output = tiny.runs() + "-output";
  Child child({tiny.plan(), "--runs", tiny.runs(), "--set", "train.epochs=100000", "--set",
               "train.eval_every=100000"},
              output);
  ASSERT_TRUE(wait_for(tiny.run_folder() + "/scalars.jsonl", "\"step\":4")) << read_text(output);
  child.signal(SIGSTOP);
  sleep_ms(400);
  const Seen seen = look_at(tiny.runs(), /*stall=*/0.2);
  EXPECT_EQ(seen.code, 2);
  EXPECT_THAT(seen.look["runs"][0]["reasons"].dump(), HasSubstr("has written nothing for"));
  EXPECT_EQ(look_at(tiny.runs()).code, 0) << "by its own pace it has five minutes";
  child.signal(SIGCONT);
}

TEST(Watch, EveryWayToEndHasItsCode) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"stop.threshold=1.0", "stop.patience=2"}), 0);
  EXPECT_EQ(look_at(tiny.runs()).code, 3);  // early stop
  EXPECT_THAT(look_at(tiny.runs()).look["runs"][0]["early_stop"].get<std::string>(),
              HasSubstr("(2 of 2)"));
  for (const auto& [state, code] :
       {std::pair("done", 0), std::pair("failed", 3), std::pair("preempted", 3),
        std::pair("interrupted", 3), std::pair("running", 4), std::pair("validating", 4)}) {
    set_status(tiny.run_folder(), "state", state);
    EXPECT_EQ(look_at(tiny.runs()).code, code) << state;
  }
  set_status(tiny.run_folder(), "state", "done");
  set_status(tiny.run_folder(), "lost_log_lines", 3);
  EXPECT_EQ(look_at(tiny.runs()).code, 2);
  set_status(tiny.run_folder(), "lost_log_lines", 0);
  EXPECT_EQ(look_at(tiny.runs()).code, 0);
  append(tiny.run_folder() + "/scalars.jsonl",
         R"({"kind":"train","step":13,"loss":null,"weight_a":1.0,"a":null,"gradient_norm":1.0})"
         "\n");
  const Seen seen = look_at(tiny.runs());
  EXPECT_EQ(seen.code, 2);
  EXPECT_THAT(seen.look["runs"][0]["reasons"].dump(),
              HasSubstr("the last value of a is not finite"));
}

TEST(Watch, AlarmsDegradeUntilTheyAreCleared) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string monitor = tiny.run_folder() + "/monitor.jsonl";
  append(monitor, R"({"kind":"probe","step":2})"
                  "\n" +
                      alarm_line("warn", 4));
  EXPECT_EQ(look_at(tiny.runs()).code, 0);
  append(monitor, alarm_line("alarm", 6));
  Seen seen = look_at(tiny.runs());
  EXPECT_EQ(seen.code, 2);
  ASSERT_EQ(seen.look["runs"][0]["alarms"].size(), 1U);
  EXPECT_EQ(seen.look["runs"][0]["alarms"][0]["level"], "alarm");
  EXPECT_EQ(seen.look["runs"][0]["probes"], 1);
  append(monitor, alarm_line("clear", 8));
  seen = look_at(tiny.runs());
  EXPECT_EQ(seen.code, 0);
  EXPECT_EQ(seen.look["runs"][0]["alarms"].size(), 0U);
}

TEST(Watch, WhatIsHalfWrittenOrDamagedIsSaid) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string run = tiny.run_folder();
  append(run + "/scalars.jsonl", R"({"kind":"train","st)");  // being written: no fault
  EXPECT_EQ(look_at(tiny.runs()).code, 0);
  append(run + "/scalars.jsonl", "\n");
  EXPECT_EQ(look_at(tiny.runs()).code, 2);
  write_text(run + "/run.cfg", "no.such.key = \033[31m1\n");
  std::ostringstream text;
  EXPECT_EQ(run_watch({.folder = tiny.runs(), .once = true}, text), 2);
  EXPECT_THAT(text.str(), HasSubstr("run.cfg is not of this version"));
  EXPECT_THAT(text.str(), testing::Not(HasSubstr("\033")));
  write_text(run + "/STATUS", "{\"sta");
  EXPECT_EQ(look_at(tiny.runs()).code, 4);
}

TEST(Watch, SeveralRunsMeanTheWorstAndArchivedOnesNothing) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string deep = tiny.runs() + "/a/b/c";
  fs::create_directories(deep);
  fs::copy(tiny.run_folder(), deep + "/other", fs::copy_options::recursive);
  fs::copy(tiny.run_folder(), tiny.runs() + "/tiny.1", fs::copy_options::recursive);
  // Not an older run of the plan "other": its plan is called tiny.
  fs::copy(tiny.run_folder(), tiny.runs() + "/other.1", fs::copy_options::recursive);
  set_status(tiny.runs() + "/tiny.1", "state", "running");
  Seen seen = look_at(tiny.runs());
  EXPECT_EQ(seen.code, 0) << seen.look.dump(2);
  EXPECT_EQ(seen.look["runs"].size(), 3U);
  EXPECT_EQ(seen.look["runs"][0]["run"], "a/b/c/other");
  EXPECT_EQ(seen.look["archived"], 1);
  set_status(deep + "/other", "state", "interrupted");
  EXPECT_EQ(look_at(tiny.runs()).code, 3);
  set_status(tiny.runs() + "/other.1", "state", "running");
  EXPECT_EQ(look_at(tiny.runs()).code, 4);
  EXPECT_EQ(look_at(tiny.run_folder()).code, 0) << "a run's own folder does as well";
}

TEST(Watch, LiveItSurvivesWhatHappensMeanwhileAndLeavesOnCtrlC) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string output = tiny.runs() + "-watch";
  Child watch({"watch", tiny.runs(), "--json", "--interval", "0.05"}, output);
  ASSERT_TRUE(wait_for(output, "\"state\":\"done\""));
  RunCommand fresh = tiny.command({"train.epochs=1"});
  fresh.fresh = true;
  ASSERT_EQ(tiny.run(fresh), 0);
  ASSERT_TRUE(wait_for(output, "\"archived\":1"));
  fs::remove_all(tiny.runs());
  ASSERT_TRUE(wait_for(output, "\"runs\":[]"));
  write_text(tiny.runs(), "a file in the folder's place");
  sleep_ms(150);
  watch.signal(SIGINT);
  EXPECT_EQ(watch.wait(), 130);
  std::istringstream lines(read_text(output));
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(json::accept(line)) << line;
}

TEST(Watch, TheTerminalIsGivenBack) {
  std::ostringstream out;
  {
    Screen screen(out, true);
    screen.show({"one", "two"});
  }
  const std::string text = out.str();
  EXPECT_LT(text.find("\033[?1049h"), text.find("one"));
  EXPECT_THAT(text, HasSubstr("\033[?25h\033[?1049lone\ntwo\n"));
  EXPECT_EQ(fit("\033[31mabcdef\033[0m", 3), "\033[31mabc\033[0m");
  EXPECT_EQ(fit("häh", 2), "hä");
}

TEST(Watch, WrongUseIsAFault) {
  std::ostringstream out, err;
  EXPECT_EQ(run({"watch", "no/such/folder"}, out, err), 64);
  EXPECT_THAT(err.str(), HasSubstr("no such folder"));
}

TEST(FolderLock, ALookSeesTheHolderAndDisturbsNobody) {
  TemporaryFolder temp;
  const std::string path = temp / "run";
  const Notice quiet = [](const std::string&) {};
  EXPECT_EQ(holder_of(path), std::nullopt);
  {
    const FolderLock lock(real_file_system(), path, quiet);
    ASSERT_TRUE(holder_of(path).has_value());
    EXPECT_THAT(*holder_of(path), HasSubstr("process " + std::to_string(::getpid())));
    EXPECT_THROW(FolderLock(real_file_system(), path, quiet), Fault);
  }
  EXPECT_EQ(holder_of(path), std::nullopt);
  // A look that holds the lock for an instant does not keep a run from starting.
  const int file = ::open((path + "/LOCK").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(file, LOCK_SH), 0);
  EXPECT_EQ(holder_of(path), std::nullopt) << "another look is no run";
  std::thread look([&] {
    sleep_ms(30);
    ::close(file);
  });
  EXPECT_NO_THROW(FolderLock(real_file_system(), path, quiet));
  look.join();
}

TEST(JsonLines, GivesEachLineOnceAndAllAgainWhenTheFileIsReplaced) {
  TemporaryFolder temp;
  const std::string path = temp / "lines";
  JsonLines lines(path);
  EXPECT_TRUE(lines.poll().records.empty());
  append(path, "{\"a\":1}\n{\"a\":");
  EXPECT_EQ(lines.poll().records.size(), 1U);
  append(path, "2}\nnot json\n[1]\n");
  const JsonLines::Update update = lines.poll();
  EXPECT_FALSE(update.restarted);
  ASSERT_EQ(update.records.size(), 1U);
  EXPECT_EQ(update.records[0]["a"], 2);
  EXPECT_EQ(lines.bad_lines(), 2);
  write_text(path + ".tmp", "{\"a\":3}\n{\"a\":4}\n{\"a\":5}\n{\"a\":6}\n{\"a\":7}\n");
  fs::rename(path + ".tmp", path);
  const JsonLines::Update again = lines.poll();
  EXPECT_TRUE(again.restarted);
  EXPECT_EQ(again.records.size(), 5U);
  EXPECT_EQ(lines.bad_lines(), 0);
  fs::remove(path);
  EXPECT_TRUE(lines.poll().restarted);
  EXPECT_FALSE(lines.exists());
}

}  // namespace
}  // namespace ktrain::test
