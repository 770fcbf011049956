#include "train/monitor/probe_json.h"

#include <limits>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/message.h"
#include "tests/support/mutate.h"
#include "tests/support/probe.h"
#include "tests/support/temporary_folder.h"

namespace ktrain {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ProbeJson, ComesBackToTheLastBit) {
  for (std::uint32_t sample = 0; sample < 50; ++sample) {
    const ProbeRecord record = test::full_record(2 + sample % 4, 1 + sample % 2 * 1, sample);
    const std::string line = to_json(record);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(probe_from_json(line, "m", 1), record);
    EXPECT_EQ(to_json(probe_from_json(line, "m", 1)), line);
  }
  ProbeRecord odd = test::full_record(2, 1, 3);
  odd.values = {5e-324, 1.7976931348623157e308};
  odd.predicted = {-0.0, 0.1 + 0.2};
  const ProbeRecord back = probe_from_json(to_json(odd), "m", 1);
  EXPECT_EQ(back, odd);
  EXPECT_TRUE(std::signbit(back.predicted[0]));
}

TEST(ProbeJson, LeavesOutWhatWasNotMeasured) {
  ProbeRecord record = test::full_record(3, 1, 1);
  record.groups[0].preconditioned = {};
  record.groups[1].rv = {};
  record.features.clear();
  record.predicted.clear();
  record.real.clear();
  const std::string line = to_json(record);
  EXPECT_EQ(line.find("features"), std::string::npos);
  EXPECT_EQ(line.find("predicted"), std::string::npos);
  EXPECT_EQ(probe_from_json(line, "m", 1), record);
}

TEST(ProbeJson, HasTheDocumentedForm) {
  ProbeRecord record = test::two_losses(test::gram_of(2, 1, 0.5), {}, 0.25);
  record.step = 50;
  EXPECT_EQ(to_json(record),
            R"({"kind":"probe","step":50,"epoch":1,"losses":["det","macl"],"detection":1,)"
            R"("values":[0.5,2.0],"weights":[1.0,0.25],"lr":0.001,"momentum_scale":1.0,)"
            R"("clip":1.0,"clip_det":1.0,"gradient_norm":0.0,"groups":{"visible.layer1":)"
            R"({"elements":10,"gram":[4.0,1.0,1.0]}},"seconds":0.0,"interval":50})");
}

TEST(ProbeJson, WritesNoNumberThatIsNone) {
  ProbeRecord record = test::full_record(2, 1, 1);
  record.groups[1].raw(0, 1) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(test::message_of([&] { (void)to_json(record); }), HasSubstr("not finite"));
  record = test::full_record(2, 1, 1);
  record.values.pop_back();
  EXPECT_THAT(test::message_of([&] { (void)to_json(record); }), HasSubstr("wanted a list of 2"));
  record = test::full_record(2, 1, 1);
  record.groups[1].group = record.groups[0].group;
  EXPECT_THAT(test::message_of([&] { (void)to_json(record); }), HasSubstr("twice"));
}

std::string refusal(std::string line, const std::string& from, const std::string& to) {
  const std::size_t at = line.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) line.replace(at, from.size(), to);
  return test::message_of([&] { (void)probe_from_json(line, "run/monitor.jsonl", 7); });
}

TEST(ProbeJson, SaysWhereALineIsDamaged) {
  const std::string line = to_json(test::full_record(2, 1, 1));
  const std::string place = "KT-DATA-060: run/monitor.jsonl:7: ";
  EXPECT_EQ(refusal(line, "\"detection\":1", "\"detection\":3"),
            place + "detection: found 3, wanted at most 2, the number of losses");
  EXPECT_EQ(refusal(line, "\"step\":100", "\"step\":1.5"),
            place + "step: found 1.5, wanted a whole number from 1");
  EXPECT_THAT(refusal(line, "\"lr\"", "\"lt\""),
              StartsWith(place + "found 'lt', wanted kind, step"));  // an unknown key
  EXPECT_THAT(refusal(line, "\"lr\":0.0001,", ""), StartsWith(place + "found no 'lr'"));
  EXPECT_THAT(refusal(line, "\"lr\":0.0001", "\"lr\":1e999"), HasSubstr("out of range"));
  EXPECT_THAT(refusal(line, "\"lr\":0.0001", "\"lr\":null"), HasSubstr("lr: found null"));
  EXPECT_THAT(refusal(line, "\"lr\":0.0001", "\"lr\":1,\"lr\":2"), HasSubstr("'lr' twice"));
  EXPECT_THAT(refusal(line, "[\"det\",", "[\"a~b\","),
              HasSubstr("losses[0]: found the name 'a~b'"));
  EXPECT_THAT(refusal(line, "[\"det\",", "[\"macl\","), HasSubstr("a loss twice"));
  EXPECT_THAT(refusal(line, "\"gram\":[", "\"gram\":[-"),
              HasSubstr("groups.visible.stem.gram: found -"));
  EXPECT_THAT(refusal(line, "\"gram\":[", "\"gram\":[1,"), HasSubstr("wanted a list of 3"));
  EXPECT_THAT(refusal(line, "\"kind\":\"probe\"", "\"kind\":\"loo\""), HasSubstr("wanted 'probe'"));
  EXPECT_THAT(refusal(line, "{\"kind\"", "{{"), HasSubstr("an error in column 2"));
  const std::string deep = "{\"a\":" + std::string(100'000, '[');
  EXPECT_THAT(test::message_of([&] { (void)probe_from_json(deep, "m", 1); }),
              StartsWith("KT-DATA-060"));
}

TEST(MonitorLog, SurvivesATornLastLine) {
  const ProbeRecord first = test::full_record(3, 1, 1), second = test::full_record(3, 1, 2);
  const std::string alarm = R"({"kind":"alarm","step":100,"epoch":1,"level":"info"})";
  const std::string whole = to_json(first) + "\n" + alarm + "\n" + to_json(second) + "\n";
  const MonitorLog log = parse_monitor_log(whole, "m");
  EXPECT_EQ(log.probes, (std::vector<ProbeRecord>{first, second}));
  ASSERT_EQ(log.others.size(), 1u);
  EXPECT_EQ(log.others[0].kind, "alarm");
  EXPECT_EQ(log.others[0].number, 2);
  EXPECT_EQ(log.others[0].step, 100);
  EXPECT_EQ(log.others[0].text, alarm);
  EXPECT_FALSE(log.torn);
  const std::size_t last = whole.size() - to_json(second).size();
  for (std::size_t size = last; size < whole.size(); ++size) {
    const MonitorLog torn = parse_monitor_log(whole.substr(0, size), "m");
    EXPECT_TRUE(torn.torn);
    EXPECT_EQ(torn.probes.size(), 1u);
  }
  // But a complete line is complete.
  EXPECT_THAT(test::message_of(
                  [&] { (void)parse_monitor_log(whole.substr(0, whole.size() - 9) + "\n", "m"); }),
              StartsWith("KT-DATA-060: m:3: "));
}

TEST(MonitorLog, OfAFolder) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(test::message_of([&] { (void)read_monitor_log(folder / "none"); }),
              StartsWith("KT-DATA-061"));
  EXPECT_THAT(test::message_of([&] { (void)read_monitor_log(folder.path()); }),
              HasSubstr("found no monitor.jsonl"));
  test::write_text(folder / "monitor.jsonl", "");
  EXPECT_TRUE(read_monitor_log(folder.path()).probes.empty());
  test::write_text(folder / "monitor.jsonl", to_json(test::full_record(3, 1, 1)) + "\n");
  EXPECT_EQ(read_monitor_log(folder.path()).probes.size(), 1u);
}

TEST(MonitorLog, DamagedTenThousandTimes) {
  std::string first;
  for (std::uint32_t i = 0; i < 2; ++i) first += to_json(test::full_record(2, 1, i)) + "\n";
  const std::string small =
      to_json(test::two_losses(test::gram_of(2, 1, 0.5), test::gram_of(1, 1, -0.5), 0.25)) + "\n" +
      R"({"kind":"audit","step":1,"epoch":1,"configured":{"macl":1},"applied":{"macl":1}})"
      "\n";
  const std::regex form(R"(^KT-DATA-060: m:[1-9]\d*: .*found .*, wanted )");
  int read = 0, refused = 0;
  test::for_each_mutant({first, small},
                        {"[", "]", "{", "}", "\"", ",", ":", "1e999", "-1", "nan", "null", "\n",
                         "\\u0000", std::string(1, '\0'), "\"kind\":\"probe\"", "true", "0.5"},
                        10'000, [&](const std::string& text) {
                          try {
                            const MonitorLog log = parse_monitor_log(text, "m");
                            for (const ProbeRecord& probe : log.probes)
                              EXPECT_EQ(probe_from_json(to_json(probe), "m", 1), probe);
                            ++read;
                          } catch (const Fault& fault) {
                            EXPECT_TRUE(std::regex_search(fault.what(), form)) << fault.what();
                            EXPECT_EQ(std::string(fault.what()).find('\n'), std::string::npos);
                            ++refused;
                          }
                        });
  EXPECT_EQ(read + refused, 10'000);
  EXPECT_GT(read, 500);
  EXPECT_GT(refused, 2'000);
}

}  // namespace
}  // namespace ktrain
