#include "train/console.h"

#include <csignal>
#include <sstream>

#include <gtest/gtest.h>

#include "train/stop_signals.h"

namespace ktrain::test {
namespace {

TEST(Console, LiveLinesAreForTerminalsAlone) {
  std::ostringstream file, screen;
  {
    Console console(file, Console::Mode::kText, false);
    console.live("step 1");
    console.text("a line");
    Console terminal(screen, Console::Mode::kText, true);
    terminal.live("step 10");
    terminal.live("step 2");
    terminal.text("a line");
  }
  EXPECT_EQ(file.str(), "a line\n");
  EXPECT_EQ(screen.str(), "\rstep 10\rstep 2 \r      \ra line\n");
}

TEST(Console, ModesShowWhatTheyAreFor) {
  std::ostringstream quiet, json;
  for (auto [out, mode] :
       {std::pair(&quiet, Console::Mode::kQuiet), std::pair(&json, Console::Mode::kJson)}) {
    Console console(*out, mode, true);
    console.text("text");
    console.live("live");
    console.result("result");
    console.record("{}");
  }
  EXPECT_EQ(quiet.str(), "result\n");
  EXPECT_EQ(json.str(), "{}\n");
}

TEST(Console, Durations) {
  EXPECT_EQ(duration_text(7.4), "0:07");
  EXPECT_EQ(duration_text(187), "3:07");
  EXPECT_EQ(duration_text(7511), "2:05:11");
}

TEST(StopSignals, TheFirstIsRememberedAndTheRestIsAsBefore) {
  {
    const StopSignals signals;
    EXPECT_EQ(signals.pending(), 0);
    std::raise(SIGTERM);
    EXPECT_EQ(signals.pending(), SIGTERM);
    std::raise(SIGTERM);  // twice asks once
    std::raise(SIGINT);   // the first Ctrl-C; the next one would end the process
    std::raise(SIGHUP);
    EXPECT_EQ(signals.pending(), SIGTERM);
    struct sigaction now {};
    ::sigaction(SIGINT, nullptr, &now);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
  }
  struct sigaction now {};
  ::sigaction(SIGTERM, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

}  // namespace
}  // namespace ktrain::test
