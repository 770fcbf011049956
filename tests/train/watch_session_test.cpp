// Recoveries and experiments as `ktrain watch` sees them.
#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "tests/support/experiment.h"
#include "tests/support/temporary_folder.h"
#include "train/experiment/cells.h"
#include "train/folder_lock.h"
#include "train/watch/watch_command.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

const Notice kQuiet = [](const std::string&) {};

json look(const std::string& folder) {
  std::ostringstream out;
  const int code = run_watch({.folder = folder, .once = true, .json = true}, out);
  json seen = json::parse(out.str());
  EXPECT_EQ(seen["exit_code"], code);
  return seen;
}

std::string text_of_look(const std::string& folder) {
  std::ostringstream out;
  (void)run_watch({.folder = folder, .once = true}, out);
  return out.str();
}

void write_state(const std::string& folder, const std::string& state, const std::string& name) {
  fs::create_directories(folder);
  write_text(folder + "/state.json", json{{"state", state},
                                          {"recovery", name},
                                          {"node", "b"},
                                          {"doing", "run b"},
                                          {"decisions", 5},
                                          {"nodes", 22},
                                          {"process", ::getpid()}}
                                         .dump());
}

TEST(WatchSession, ARecoveryHasALineAndEveryStateItsCode) {
  TemporaryFolder temp;
  const std::string folder = temp / "runs/kaist/recovery";
  for (const auto& [state, code] : {std::pair("done", 0), std::pair("stopped", 3),
                                    std::pair("failed", 3), std::pair("running", 4)}) {
    write_state(folder, state, "kaist/recovery");
    EXPECT_EQ(look(temp / "runs")["exit_code"], code) << state;
  }
  {
    const FolderLock lock(real_file_system(), folder, kQuiet);
    const json seen = look(temp / "runs");
    EXPECT_EQ(seen["exit_code"], 0);
    ASSERT_EQ(seen["sessions"].size(), 1U);
    const json& session = seen["sessions"][0];
    EXPECT_EQ(session["name"], "kaist/recovery");
    EXPECT_EQ(session["kind"], "recovery");
    EXPECT_EQ(session["state"], "running");
    EXPECT_EQ(session["stage"], "b: run b");
    EXPECT_EQ(session["done"], 5);
    EXPECT_EQ(session["total"], 22);
    EXPECT_EQ(session["held"], true);
    EXPECT_THAT(
        text_of_look(temp / "runs"),
        HasSubstr("kaist/recovery  recovery running  5 decisions, a tree of 22 nodes  b: run b"));
    // What another process left is not this one's.
    json state = json::parse(read_text(folder + "/state.json"));
    state["state"] = "stopped";
    state["process"] = 1;
    write_text(folder + "/state.json", state.dump());
    EXPECT_EQ(look(temp / "runs")["sessions"][0]["state"], "starting");
  }
  // --fresh moved it away: counted for nothing.
  write_state(temp / "runs/kaist/recovery.1", "running", "kaist/recovery");
  write_state(folder, "done", "kaist/recovery");
  EXPECT_EQ(look(temp / "runs")["exit_code"], 0);
  EXPECT_EQ(look(temp / "runs")["sessions"].size(), 1U);
  write_text(folder + "/state.json", "{\"rec");
  EXPECT_EQ(look(temp / "runs")["exit_code"], 1) << "nothing tells that it is one";
}

void set_run(const experiment::Cell& cell, const std::string& state) {
  fs::create_directories(cell.folder);
  write_text(cell.folder + "/STATUS", json{{"state", state}}.dump());
}

TEST(WatchSession, AnExperimentCountsItsRunsAndEveryStateHasItsCode) {
  TemporaryFolder temp;
  const std::string folder = temp / "runs/trial";
  fs::create_directories(folder);
  write_text(folder + "/DESIGN", "{}");
  write_text(folder + "/design.cfg", experiment_text(2));
  const auto cells =
      experiment::cells_of(experiment::load_design(folder + "/design.cfg"), temp / "runs");
  const auto all = static_cast<std::int64_t>(cells.size());
  ASSERT_GT(all, 3);
  // Nothing is made, and nobody makes it.
  json seen = look(temp / "runs");
  EXPECT_EQ(seen["exit_code"], 3);
  EXPECT_EQ(seen["sessions"][0]["state"], "stopped");
  EXPECT_EQ(seen["sessions"][0]["total"], all);
  EXPECT_EQ(seen["sessions"][0]["stage"], cells[0].label());

  set_run(cells[0], "done");
  set_run(cells[1], "stopped early");
  set_run(cells[2], "failed");
  write_text(folder + "/journal.jsonl",
             "{\"cell\":\"a\",\"warm\":true,\"seconds\":9}\n{\"cell\":\"b\",\"warm\":false,"
             "\"seconds\":2}\n{\"cell\":\"c\",\"warm\":false,\"seconds\":4}\n");
  {
    const FolderLock lock(real_file_system(), folder, kQuiet);
    seen = look(temp / "runs");
    const json& session = seen["sessions"][0];
    EXPECT_EQ(session["kind"], "experiment");
    EXPECT_EQ(session["state"], "running");
    EXPECT_EQ(session["health"], "healthy");
    EXPECT_EQ(session["done"], 2);
    EXPECT_EQ(session["failed"], 1);
    EXPECT_EQ(session["stage"], cells[3].label());
    EXPECT_EQ(session["eta_seconds"], 9 + 3.0 * static_cast<double>(all - 4))
        << "9 s the other warm start, 3 s an arm";
    EXPECT_THAT(text_of_look(temp / "runs"),
                HasSubstr(fmt::format("trial  experiment running  2 of {} runs, 1 failed  {}", all,
                                      cells[3].label())));
  }
  set_run(cells[3], "running");  // and no process holds the folder
  seen = look(temp / "runs");
  EXPECT_EQ(seen["sessions"][0]["state"], "crashed");
  EXPECT_EQ(seen["exit_code"], 4);
  for (const auto& cell : cells) set_run(cell, "done");
  seen = look(temp / "runs");
  EXPECT_EQ(seen["sessions"][0]["state"], "done");
  EXPECT_EQ(seen["exit_code"], 0);
  write_text(folder + "/design.cfg", "name = 3\n");
  EXPECT_THAT(look(temp / "runs")["sessions"][0]["notes"].dump(),
              HasSubstr("design.cfg is not of this version"));
}

}  // namespace
}  // namespace ktrain::test
