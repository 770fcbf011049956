// `ktrain monitor` and `ktrain replay` on logs that are written down here.
#include "train/monitor_command.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/message.h"
#include "tests/support/probe.h"
#include "tests/support/temporary_folder.h"
#include "train/cli.h"
#include "train/monitor/alarm.h"
#include "train/monitor/probe_json.h"
#include "train/monitor/replay.h"
#include "train/monitor/summary.h"
#include "train/replay_command.h"

namespace ktrain {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr RandomKey kKey{23, 907, 0};

// macl conflicts in layer1 (cosine -.3), helps in fusion (+.3), is undecided in layer2 and has no
// gradient in rpn.
std::vector<ProbeRecord> probes(int count) {
  std::vector<ProbeRecord> all;
  for (std::uint32_t t = 0; t < static_cast<std::uint32_t>(count); ++t) {
    ProbeRecord record = test::two_losses({}, {}, 0.2);
    record.step = 50 * (t + 1);
    record.epoch = 1 + t / 40;
    record.groups.clear();
    const double noise = 0.1 * test::normal_of(kKey, 0, t);
    for (const auto& [name, mean, norm] :
         {std::tuple("visible.layer1", -0.3, 4.0), std::tuple("visible.layer2", -0.03, 1.0),
          std::tuple("fusion", 0.3, 2.0), std::tuple("rpn", 0.0, 0.0)}) {
      const Gram gram = test::gram_of(1, norm, mean + noise);
      record.groups.push_back({name, 10, test::gram_of(2, norm, -mean), gram, {}, false});
    }
    all.push_back(record);
  }
  return all;
}

std::string log_of(const std::vector<ProbeRecord>& records) {
  std::string text;
  for (const ProbeRecord& record : records) text += to_json(record) + "\n";
  return text;
}

class MonitorCommands : public ::testing::Test {
 protected:
  void write(const std::string& text) { test::write_text(folder_ / "monitor.jsonl", text); }
  // Through the command line, as a user does.
  std::string monitor(std::vector<std::string> arguments, int code = 0) {
    return call("monitor", std::move(arguments), code);
  }
  std::string replay_text(std::vector<std::string> arguments, int code = 0) {
    return call("replay", std::move(arguments), code);
  }

  test::TemporaryFolder folder_;

 private:
  std::string call(const std::string& verb, std::vector<std::string> arguments, int code) {
    arguments.insert(arguments.begin(), {verb, folder_.path()});
    std::ostringstream out, err;
    EXPECT_EQ(run(arguments, out, err), code) << err.str();
    return code == 0 ? out.str() : err.str();
  }
};

TEST_F(MonitorCommands, SummaryTellsWhoHurtsWhom) {
  write(log_of(probes(80)));
  const auto cells = who_hurts_whom(probes(80));
  ASSERT_EQ(cells.size(), 3u);  // none for rpn
  EXPECT_EQ(cells[0].verdict, Verdict::kConflict);
  EXPECT_EQ(cells[1].verdict, Verdict::kGrey);
  EXPECT_EQ(cells[1].reason, "covers the margin");
  EXPECT_EQ(cells[2].verdict, Verdict::kNone);
  EXPECT_NEAR(*cells[0].tax, 0.2 * 4 * 0.3, 0.03);
  const std::string text = monitor({});
  for (const char* part :
       {"probes    80, steps 50 to 4000, epochs 1 to 2", "losses    det, macl", "visible.layer1",
        "conflict\n", "grey (covers the margin)\n", "none\n", "alarms in force: none"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("rpn")));
  const auto json = nlohmann::json::parse(monitor({"--json"}));
  EXPECT_EQ(json["probes"], 80);
  EXPECT_EQ(json["cells"][0]["mean_pcos"], cells[0].mean);
  EXPECT_EQ(json["cells"][0]["verdict"], "conflict");
  EXPECT_EQ(json["cells"][2]["hi"], cells[2].hi);
  const std::string csv = monitor({"--csv"});
  EXPECT_THAT(csv,
              StartsWith("group,loss,mean_pcos,lo,hi,r1,n,tax,verdict,reason\nvisible.layer1,"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
  // With few probes everything is grey.
  for (const HarmCell& cell : who_hurts_whom(probes(19))) {
    EXPECT_EQ(cell.verdict, Verdict::kGrey);
    EXPECT_EQ(cell.reason, "few probes");
  }
}

TEST_F(MonitorCommands, SummaryShowsTheAlarmsInForce) {
  AlarmRule rule;
  std::string text;
  std::vector<Alarm> said;
  for (const ProbeRecord& record : probes(40)) {
    text += to_json(record) + "\n";
    for (const Alarm& alarm : rule.add(record)) {
      text += to_json(alarm) + "\n";
      said.push_back(alarm);
    }
  }
  ASSERT_EQ(said.size(), 1u);
  write(text);
  EXPECT_THAT(monitor({}),
              HasSubstr(fmt::format("warn  step {}: {}\n", said[0].step, said[0].text)));
  EXPECT_EQ(nlohmann::json::parse(monitor({"--json"}))["alarms_in_force"].size(), 1u);
  said[0].level = AlarmLevel::kClear;
  write(text + to_json(said[0]) + "\n");
  EXPECT_THAT(monitor({}), HasSubstr("alarms in force: none"));
}

TEST_F(MonitorCommands, ShowsAnyQuantityOverTime) {
  const auto records = probes(30);
  write(log_of(records) +
        R"({"kind":"loo","step":100,"epoch":1,"loss":"macl","mean":1,"lo":0.5,"hi":2})" + "\n" +
        R"({"kind":"probe","step":)");
  const std::string csv = monitor({"--quantity", "g/visible.layer1/tax/macl", "--csv"});
  EXPECT_THAT(csv, StartsWith("step,epoch,quantity,value\n50,1,g/visible.layer1/tax/macl,"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 31);
  const auto json = nlohmann::json::parse(monitor({"--quantity", "g/*/cos/*", "--json"}));
  EXPECT_EQ(json.size(), 3u);
  EXPECT_EQ(json["g/fusion/cos/det~macl"].size(), 30u);
  EXPECT_NEAR(json["g/fusion/cos/det~macl"][4]["value"].get<double>(), -0.3, 1e-12);
  EXPECT_EQ(json["g/fusion/cos/det~macl"][4]["step"], 250);
  EXPECT_THAT(monitor({"--quantity", "eff/loo/*"}), HasSubstr("eff/loo/macl/lo"));
  // Of the steps' own log.
  test::write_text(
      folder_ / "scalars.jsonl",
      "{\"kind\":\"train\",\"step\":10,\"epoch\":1,\"macl_rel\":0.75}\n{\"kind\":\"tr");
  EXPECT_THAT(monitor({"--quantity", "loss/macl_rel", "--csv"}),
              HasSubstr("\n10,1,loss/macl_rel,0.75\n"));
}

TEST_F(MonitorCommands, RefuseWhatIsNotThere) {
  EXPECT_THAT(monitor({}, 66), HasSubstr("KT-DATA-061"));
  EXPECT_THAT(replay_text({"--remedy", "pc_asym"}, 66), HasSubstr("KT-DATA-061"));
  write("");
  EXPECT_THAT(monitor({}, 66), HasSubstr("KT-DATA-062"));
  EXPECT_THAT(replay_text({"--remedy", "pc_asym"}, 66), HasSubstr("found no probe"));
  write(log_of(probes(3)));
  EXPECT_THAT(monitor({"--quantity", "g/fusion/pcos/det~mcl"}, 64),
              AllOf(HasSubstr("KT-CLI-006"), HasSubstr("did you mean 'g/fusion/pcos/det~macl'?"),
                    HasSubstr("eff/*, g/*")));
  EXPECT_THAT(monitor({"--csv", "--json"}, 64), HasSubstr("KT-CLI-001"));
  EXPECT_THAT(replay_text({"--remedy", "pc_asim"}, 64), HasSubstr("did you mean 'pc_asym'?"));
  EXPECT_THAT(replay_text({"--remedy", "cut"}, 64), HasSubstr("--cut visible.stem"));
  EXPECT_THAT(replay_text({"--remedy", "cut", "--cut", "fussion"}, 64),
              HasSubstr("did you mean 'fusion'?"));
  EXPECT_THAT(replay_text({"--remedy", "none", "--metric", "odd"}, 64), HasSubstr("--metric"));
  EXPECT_THAT(replay_text({"--remedy", "mgda_ub"}, 66), HasSubstr("`--remedy mgda` needs none"));
  ProbeRecord alone = probes(1)[0];
  alone.detection = 2;
  write(to_json(alone) + "\n");
  EXPECT_THAT(replay_text({"--remedy", "none"}, 66), HasSubstr("probes of detection alone"));
  write(log_of(probes(3)) + "{\"kind\":\n");
  EXPECT_THAT(monitor({}, 65), HasSubstr("monitor.jsonl:4: "));
}

// pc_asym in the preconditioned metric takes away the whole tax of layer1 and leaves the help of
// fusion alone.
TEST_F(MonitorCommands, ReplayShowsWhatPcAsymWouldHaveDone) {
  const auto records = probes(60);
  std::int64_t left_out = 0;
  RemedyOptions options;
  options.kind = RemedyKind::kPcAsym;
  options.preconditioned = true;
  const Replay found = replay(records, options, "m", left_out);
  EXPECT_EQ(found.probes, 60);
  EXPECT_EQ(found.changed, 60);
  ASSERT_EQ(found.groups.size(), 4u);
  const ReplayGroup &conflict = found.groups[0], &helped = found.groups[2], &dark = found.groups[3];
  EXPECT_EQ(conflict.changed, 60);
  EXPECT_NEAR(conflict.before->value, 1 - 0.2 * 4 * 0.3, 0.03);
  EXPECT_NEAR(conflict.after->value, 1, 1e-12);
  EXPECT_NEAR(conflict.gain->value, 1 - conflict.before->value, 1e-12);
  EXPECT_LT(conflict.before->hi, 1);
  EXPECT_NEAR(conflict.weights[0]->value, 1 + 0.2 * 4 * 0.3, 0.03);
  EXPECT_EQ(conflict.weights[1]->value, 0.2);
  EXPECT_EQ(helped.changed, 0);
  EXPECT_EQ(helped.before, helped.after);
  EXPECT_EQ(dark.probes, 0);
  EXPECT_FALSE(dark.before);
  // Over all groups detection would have come further: its predicted change is more negative.
  EXPECT_EQ(found.effects[0].loss, "det");
  EXPECT_LT(found.effects[0].difference->hi, 0);
  EXPECT_EQ(found.effects[1].loss, "macl");

  write(log_of(records));
  const std::string text = replay_text({"--remedy", "pc_asym", "--metric", "preconditioned"});
  for (const char* part :
       {"pc_asym, preconditioned metric", "probes    60, changed 60 (100 %)", "visible.layer1",
        "running mean", "not where another run would have gone"})
    EXPECT_THAT(text, HasSubstr(part));
  const auto json = nlohmann::json::parse(
      replay_text({"--remedy", "pc_asym", "--metric", "preconditioned", "--json"}));
  EXPECT_EQ(json["groups"][0]["progress_before"]["mean"], conflict.before->value);
  EXPECT_EQ(json["groups"][0]["weights"]["det"]["hi"], conflict.weights[0]->hi);
  EXPECT_TRUE(json["groups"][3]["gain"].is_null());
  EXPECT_EQ(json["changed"], 60);
  // In the raw metric the signs are the other way round (as planted): fusion is changed instead.
  const auto raw = nlohmann::json::parse(replay_text({"--remedy", "pc_asym", "--json"}));
  EXPECT_EQ(raw["groups"][0]["changed"], 0);
  EXPECT_EQ(raw["groups"][2]["changed"], 60);
}

TEST_F(MonitorCommands, ReplayOfNoneChangesNothingAndOfCutEverything) {
  write(log_of(probes(20)));
  const auto none = nlohmann::json::parse(replay_text({"--remedy", "none", "--json"}));
  EXPECT_EQ(none["changed"], 0);
  for (const auto& loss : none["effects"]) EXPECT_EQ(loss["difference"]["mean"], 0);
  const auto cut =
      nlohmann::json::parse(replay_text({"--remedy", "cut", "--cut", "visible", "--json"}));
  EXPECT_EQ(cut["groups"][0]["progress_after"]["mean"], 1);
  EXPECT_EQ(cut["groups"][2]["changed"], 0);
  for (const std::string_view name : remedy_names()) {
    if (name == "cut" || name == "mgda_ub") continue;
    EXPECT_THAT(replay_text({"--remedy", std::string(name)}), HasSubstr("visible.layer1")) << name;
  }
}

TEST(Replay, LeavesSharesOutOfSumsAndOtherAxesAside) {
  auto records = probes(10);
  std::int64_t left_out = 0;
  const Replay plain = replay(records, {}, "m", left_out);
  for (ProbeRecord& record : records) {
    record.groups.push_back(record.groups[0]);
    record.groups.back().group = "thermal.layer1";
    record.groups.back().share = true;
  }
  const Replay shared = replay(records, {}, "m", left_out);
  EXPECT_EQ(shared.effects[0].before, plain.effects[0].before);
  EXPECT_TRUE(shared.groups[4].share);
  EXPECT_EQ(left_out, 0);
  records[3].losses[1] = "dhn";
  EXPECT_EQ(replay(records, {}, "m", left_out).probes, 9);
  EXPECT_EQ(left_out, 1);
}

}  // namespace
}  // namespace ktrain
