#include "train/recovery/hypothesis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/temporary_folder.h"
#include "train/recovery/conflict_evidence.h"

namespace ktrain::test {
namespace {

using testing::HasSubstr;

std::string window(const std::string& group, const std::string& cosine) {
  return R"({"kind":"window","step":800,"epoch":1,"probes":16,"losses":["det","macl"],"groups":{")" +
         group + R"(":{"xcos":{"det~macl":)" + cosine + "}}}}\n";
}

std::string between(double lo, double hi) {
  return R"({"value":)" + std::to_string((lo + hi) / 2) + R"(,"lo":)" + std::to_string(lo) +
         R"(,"hi":)" + std::to_string(hi) + "}";
}

const std::string kAlarm =
    R"({"kind":"alarm","step":900,"level":"alarm","group":"visible.layer1","loss":"macl"})"
    "\n";
const std::string kNoise = R"({"below_noise":true})";

ConflictVerdict verdict_of(const std::string& text) {
  const TemporaryFolder folder;
  write_text(folder / "monitor.jsonl", text);
  return weigh({conflict_evidence("b", folder.path(), "macl", 0.02)}, 3, 0.5);
}

std::string times(int n, const std::string& text) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

TEST(Conflict, IsSupportedByWindowsAndAnAlarmTogether) {
  const std::string against = window("visible.layer1", between(-0.3, -0.1));
  EXPECT_EQ(verdict_of(times(3, against) + kAlarm).status, "supported");
  EXPECT_EQ(verdict_of(times(3, against)).status, "inconclusive");           // no alarm
  EXPECT_EQ(verdict_of(times(2, against) + kAlarm).status, "inconclusive");  // too few windows
  EXPECT_THAT(verdict_of(times(3, against) + kAlarm).why, HasSubstr("visible.layer1"));
}

TEST(Conflict, IsRefutedWhereEveryGroupExcludesIt) {
  const std::string clear = window("visible.layer1", between(-0.01, 0.1));
  EXPECT_EQ(verdict_of(times(3, clear)).status, "refuted");
  EXPECT_EQ(verdict_of(times(3, clear) + kAlarm).status, "inconclusive");
  EXPECT_EQ(verdict_of(times(3, clear) + window("thermal.stem", between(-0.2, 0.2))).status,
            "inconclusive");
  EXPECT_EQ(verdict_of(times(3, clear) + window("visible.layer1", between(-0.3, -0.1))).status,
            "inconclusive");
}

TEST(Conflict, BelowTheNoiseNothingIsSaid) {
  EXPECT_EQ(verdict_of(times(9, window("visible.layer1", kNoise))).status, "inconclusive");
  EXPECT_EQ(verdict_of(times(9, window("visible.layer1", kNoise)) +
                       window("visible.layer1", between(-0.01, 0.1)))
                .status,
            "inconclusive");
}

TEST(Conflict, RecordsOfOtherLossesAreNotTakenForIt) {
  const TemporaryFolder folder;
  write_text(
      folder / "monitor.jsonl",
      R"({"kind":"window","groups":{"visible.stem":{"xcos":{"det~dhn":{"value":-1,"lo":-1,"hi":-1}}}}})"
      "\n");
  EXPECT_TRUE(conflict_evidence("b", folder.path(), "macl", 0.02).groups.empty());
  EXPECT_TRUE(conflict_evidence("b", folder / "none", "macl", 0.02).groups.empty());
}

TEST(Conflict, ABrokenRecordIsAFaultWithItsLine) {
  const TemporaryFolder folder;
  write_text(folder / "monitor.jsonl",
             window("visible.stem", kNoise) + window("visible.stem", R"({"value":0.1,"lo":null})"));
  try {
    (void)conflict_evidence("b", folder.path(), "macl", 0.02);
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-CMP-002");
    EXPECT_THAT(fault.what(), HasSubstr("monitor.jsonl:2"));
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
