#include "train/recovery/hypothesis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/probe.h"
#include "tests/support/temporary_folder.h"
#include "train/monitor/probe_json.h"
#include "train/recovery/conflict_evidence.h"

namespace ktrain::test {
namespace {

using testing::HasSubstr;

std::string between(double lo, double hi) {
  return R"({"value":)" + std::to_string((lo + hi) / 2) + R"(,"lo":)" + std::to_string(lo) +
         R"(,"hi":)" + std::to_string(hi) + "}";
}

const std::string kNoise = R"({"below_noise":true})";
const std::string kAgainst = between(-0.3, -0.1), kClear = between(-0.01, 0.1);

// A monitor.jsonl in the making.
class Log {
 public:
  // `loss` as the axis of the probes has it.
  explicit Log(std::string loss = "macl") : loss_(std::move(loss)) {}

  Log& probes(int n) {
    for (int i = 0; i < n; ++i) {
      ProbeRecord record = two_losses(gram_of(2, 1, -0.5), gram_of(2, 1, -0.5), 0.1);
      record.step = ++step_;
      record.losses[1] = loss_;
      for (const char* const name : {"visible.stem", "thermal.stem"})
        record.groups.push_back({name, 10, gram_of(2, 1, -0.5), gram_of(2, 1, -0.5), {}, false});
      record.groups.push_back({"aux.macl", 10, gram_of(0, 1, 0), gram_of(0, 1, 0), {}, false});
      text_ += to_json(record) + "\n";
    }
    return *this;
  }
  Log& window(const std::string& group, const std::string& cosine, int covered = 4,
              const std::string& pair = "det~macl") {
    text_ += R"({"kind":"window","epoch":1,"step":)" + std::to_string(step_) + R"(,"probes":)" +
             std::to_string(covered) + R"(,"losses":["det","macl"],"groups":{")" + group +
             R"(":{"xcos":{")" + pair + "\":" + cosine + "}}}}\n";
    return *this;
  }
  // `n` times four probes and a window of them.
  Log& windows(int n, const std::string& cosine, const std::string& group = "visible.layer1") {
    for (int i = 0; i < n; ++i) probes(4).window(group, cosine);
    return *this;
  }
  Log& alarm(const std::string& loss = "macl") {
    text_ += R"({"kind":"alarm","epoch":1,"step":)" + std::to_string(step_) +
             R"(,"level":"alarm","group":"visible.layer1","loss":")" + loss + "\"}\n";
    return *this;
  }
  Log& left_out(double mean) {
    text_ += R"({"kind":"loo","epoch":1,"loss":"macl","lo":-1,"hi":1,"step":)" +
             std::to_string(step_) + R"(,"mean":)" + std::to_string(mean) + "}\n";
    return *this;
  }
  Log& left_out_once() {  // no interval
    text_ += R"({"kind":"loo","epoch":2,"loss":"macl","delta_det":[0.1],"mean":0.1,"step":)" +
             std::to_string(step_) + "}\n";
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string loss_, text_;
  int step_ = 0;
};

ConflictEvidence evidence_of(const Log& log, const std::string& loss = "macl") {
  const TemporaryFolder folder;
  write_text(folder / "monitor.jsonl", log.text());
  return conflict_evidence("b", folder.path(), loss, 0.02);
}

ConflictVerdict verdict_of(const Log& log) { return weigh({evidence_of(log)}, 3, 0.5); }

TEST(Conflict, IsSupportedByWindowsAndAnAlarmTogether) {
  EXPECT_EQ(verdict_of(Log().windows(3, kAgainst).alarm()).status, "supported");
  EXPECT_EQ(verdict_of(Log().windows(3, kAgainst)).status, "inconclusive");          // no alarm
  EXPECT_EQ(verdict_of(Log().windows(2, kAgainst).alarm()).status, "inconclusive");  // too few
  EXPECT_THAT(verdict_of(Log().windows(3, kAgainst).alarm()).why, HasSubstr("visible.layer1"));
}

TEST(Conflict, IsRefutedWhereEveryGroupExcludesIt) {
  EXPECT_EQ(verdict_of(Log().windows(3, kClear)).status, "refuted");
  EXPECT_EQ(verdict_of(Log().windows(3, kClear).alarm()).status, "inconclusive");
  EXPECT_EQ(
      verdict_of(Log().windows(3, kClear).windows(1, between(-0.2, 0.2), "thermal.stem")).status,
      "inconclusive");
  EXPECT_EQ(verdict_of(Log().windows(3, kClear).windows(1, kAgainst)).status, "inconclusive");
}

TEST(Conflict, IsNotRefutedWhileARunTellsNothing) {
  const TemporaryFolder folder;
  const RecoveryHypothesis h = [] {
    RecoveryHypothesis made;
    made.name = made.measure = "conflict";
    made.runs = {"baseline", "b"};
    made.loss = "macl";
    made.delta = 0.02;
    made.share = 0.5;
    made.windows = 3;
    return made;
  }();
  const auto status = [&](const Log& b, bool baseline, const std::string& failure) {
    std::map<std::string, Subject> subjects;
    for (const std::string& name : h.runs) {
      if (name == "baseline" && !baseline) continue;
      const std::string at = folder / name;
      std::filesystem::create_directories(at);
      write_text(at + "/scalars.jsonl", "{\"kind\":\"train\",\"step\":1,\"weight_macl\":0.05}\n");
      write_text(at + "/monitor.jsonl", name == "b" ? b.text() : Log().windows(3, kClear).text());
      subjects[name] = {.name = name, .folder = at, .state = "done"};
    }
    if (baseline) subjects["baseline"].failure = failure;
    return test_hypothesis({}, h, {}, subjects)["status"].get<std::string>();
  };
  const Log clear = Log().windows(3, kClear), against = Log().windows(3, kAgainst).alarm();
  EXPECT_EQ(status(clear, true, ""), "refuted");
  EXPECT_EQ(status(clear, true, "KT-NUM-001: step 3: macl is nan"), "inconclusive");
  EXPECT_EQ(status(clear, false, ""), "inconclusive");
  EXPECT_EQ(status(against, false, ""), "supported");
}

TEST(Conflict, BelowTheNoiseNothingIsSaid) {
  EXPECT_EQ(verdict_of(Log().windows(9, kNoise)).status, "inconclusive");
  EXPECT_EQ(verdict_of(Log().windows(9, kNoise).windows(1, kClear)).status, "inconclusive");
}

// Detection has no gradient in the loss' own layers: no window there can exclude a conflict, and
// none has to.
TEST(Conflict, LayersThatOneLossAloneTrainsAreNoEvidence) {
  const Log log = Log().windows(3, kClear).windows(3, kNoise, "aux.macl");
  ASSERT_EQ(evidence_of(log).groups.size(), 1U);
  EXPECT_EQ(evidence_of(log).groups[0].group, "visible.layer1");
  EXPECT_EQ(verdict_of(log).status, "refuted");
}

TEST(Conflict, WhatLeavingTheLossOutDoesIsToldByEpoch) {
  const ConflictEvidence found =
      evidence_of(Log().windows(1, kClear).left_out(0.5).left_out(0.25).left_out_once());
  ASSERT_EQ(found.left_out.size(), 1U);  // the last of the epoch has all of its measurements
  EXPECT_THAT(found.left_out.at(1),
              HasSubstr("with macl held-out detection loss changes by +0.25 [-1, +1] a step"));
  EXPECT_THAT(found.left_out.at(1), HasSubstr("monitor.jsonl:7"));
}

// Four windows, each over the last four probes, two probes apart: two of them are evidence.
TEST(Conflict, WindowsThatShareProbesAreCountedOnce) {
  Log log;
  log.probes(2);
  for (int i = 0; i < 4; ++i) log.probes(2).window("visible.layer1", kAgainst);
  log.alarm();
  const ConflictEvidence found = evidence_of(log);
  ASSERT_EQ(found.groups.size(), 1U);
  EXPECT_EQ(found.groups[0].windows, 2);
  EXPECT_EQ(found.groups[0].against, 2);
  EXPECT_EQ(weigh({found}, 3, 0.5).status, "inconclusive");
  EXPECT_EQ(weigh({found}, 2, 0.5).status, "supported");
}

// Profile watch measures both contrastive losses as one.
TEST(Conflict, IsFoundWhereTheLossIsOneOfTwo) {
  Log log("macl+dhn");
  for (int i = 0; i < 3; ++i) log.probes(4).window("visible.layer1", kAgainst, 4, "det~macl+dhn");
  log.alarm("macl+dhn");
  for (const char* const loss : {"macl", "dhn"}) {
    const ConflictEvidence found = evidence_of(log, loss);
    ASSERT_EQ(found.groups.size(), 1U) << loss;
    EXPECT_EQ(found.groups[0].windows, 3);
    EXPECT_EQ(found.groups[0].alarms, 1);
    const ConflictVerdict verdict = weigh({found}, 3, 0.5);
    EXPECT_EQ(verdict.status, "supported");
    EXPECT_THAT(verdict.why, HasSubstr("3 windows of det~macl+dhn"));
  }
  EXPECT_TRUE(evidence_of(log, "domain").groups.empty());
}

TEST(Conflict, ARunThatSaysNothingOfTheLossTellsWhy) {
  Log dhn;
  dhn.probes(4).window("visible.stem", between(-1, -1), 4, "det~dhn");
  EXPECT_TRUE(evidence_of(dhn).groups.empty());
  EXPECT_THAT(
      why_nothing(evidence_of(dhn), "macl"),
      HasSubstr("1 windows, none with det~macl in a group that both train; they compare det, "
                "macl"));
  EXPECT_THAT(why_nothing(evidence_of(Log().probes(5)), "macl"),
              HasSubstr("5 probes and no window"));
  const TemporaryFolder folder;
  const ConflictEvidence none = conflict_evidence("b", folder / "none", "macl", 0.02);
  EXPECT_TRUE(none.groups.empty());
  EXPECT_THAT(why_nothing(none, "macl"), HasSubstr("has no probe"));
}

TEST(Conflict, ABrokenRecordIsAFaultWithItsLine) {
  try {
    (void)evidence_of(Log().windows(1, kNoise).windows(1, R"({"value":0.1,"lo":null})"));
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-CMP-002");
    EXPECT_THAT(fault.what(), HasSubstr("monitor.jsonl:10"));
  }
}

// Two of four pairs are empty: both of a batch of two with chance 2/4 * 1/3.
TEST(Positives, EmptyBatchesAreCountedWithoutReplacement) {
  EXPECT_DOUBLE_EQ(share_of_empty_batches(4, 2, 2), 1.0 / 6);
  EXPECT_DOUBLE_EQ(share_of_empty_batches(4, 1, 2), 0.0);
  EXPECT_DOUBLE_EQ(share_of_empty_batches(4, 4, 8), 1.0);
  EXPECT_DOUBLE_EQ(share_of_empty_batches(1000, 200, 1), 0.2);
}

}  // namespace
}  // namespace ktrain::test
