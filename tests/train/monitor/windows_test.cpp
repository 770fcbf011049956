#include "train/monitor/windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/probe.h"

namespace ktrain::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Probes at steps 10, 20, ...; `windows` are (probes done, probes covered).
MonitorLog log_of(int probes, const std::vector<std::pair<int, int>>& windows) {
  std::string text;
  for (int i = 1; i <= probes; ++i) {
    ProbeRecord record = two_losses(gram_of(2, 1, -0.5), gram_of(2, 1, -0.5), 0.1);
    record.step = 10 * i;
    text += to_json(record) + "\n";
    for (const auto& [done, covered] : windows)
      if (done == i)
        text += R"({"kind":"window","epoch":1,"step":)" + std::to_string(10 * i) + R"(,"probes":)" +
                std::to_string(covered) + "}\n";
  }
  return parse_monitor_log(text, "monitor.jsonl");
}

std::vector<std::pair<std::int64_t, std::int64_t>> spans(const MonitorLog& log,
                                                         std::int64_t from_step = 1) {
  std::vector<std::pair<std::int64_t, std::int64_t>> out;
  for (const SeparateWindow& window : separate_windows(log, from_step))
    out.emplace_back(window.first, window.last);
  return out;
}

using Span = std::pair<std::int64_t, std::int64_t>;

TEST(SeparateWindows, ShareNoProbe) {
  // Every 16 probes a window of 32, as the monitor writes them.
  const MonitorLog log = log_of(96, {{16, 16}, {32, 32}, {48, 32}, {64, 32}, {80, 32}, {96, 32}});
  EXPECT_THAT(spans(log), ElementsAre(Span(0, 31), Span(32, 63), Span(64, 95)));
  const auto windows = separate_windows(log);
  EXPECT_EQ(windows[0].step, 320);
  EXPECT_EQ(windows[0].line, 34);  // 32 probes and the window of 16 come before it
  EXPECT_EQ(windows[0].probes(), 32);
  EXPECT_EQ(windows[0].json["probes"], 32);
}

TEST(SeparateWindows, AreTheMostThatFit) {
  // From the beginning the long one would be taken, and one more; from the end there are three.
  EXPECT_THAT(spans(log_of(12, {{4, 4}, {8, 8}, {9, 4}, {12, 3}})),
              ElementsAre(Span(0, 3), Span(5, 8), Span(9, 11)));
}

TEST(SeparateWindows, BeginAfterTheWarmUp) {
  const MonitorLog log = log_of(8, {{4, 4}, {8, 4}});
  EXPECT_THAT(spans(log, 10), ElementsAre(Span(0, 3), Span(4, 7)));
  EXPECT_THAT(spans(log, 11), ElementsAre(Span(4, 7)));
  EXPECT_THAT(spans(log, 51), ElementsAre());
}

TEST(SeparateWindows, OfNoOrTooManyProbesAreNamed) {
  EXPECT_THAT(spans(log_of(3, {{3, 0}})), ElementsAre());
  for (const int covered : {-1, 4}) {
    try {
      (void)separate_windows(log_of(3, {{3, covered}}));
      ADD_FAILURE() << covered;
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), "KT-DATA-060");
      EXPECT_THAT(fault.what(), HasSubstr("monitor.jsonl:4: a window of " +
                                          std::to_string(covered) + " probes; wanted 0 to 3"));
    }
  }
}

TEST(IncludesLoss, ByWholeNames) {
  EXPECT_TRUE(includes_loss("macl", "macl"));
  EXPECT_TRUE(includes_loss("macl+dhn", "macl"));
  EXPECT_TRUE(includes_loss("macl+dhn", "dhn"));
  EXPECT_FALSE(includes_loss("macl+dhn", "mac"));
  EXPECT_FALSE(includes_loss("macl2", "macl"));
  EXPECT_FALSE(includes_loss("", "macl"));
}

}  // namespace
}  // namespace ktrain::test
