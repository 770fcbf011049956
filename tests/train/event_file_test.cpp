#include "train/event_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/reference.h"
#include "tests/support/temporary_folder.h"
#include "train/run_events.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;

constexpr double kTime = 1764288000.25;

std::string stored(const std::string& name) {
  std::string out;
  for (const int byte : Reference("event_file.txt").get<int>(name))
    out.push_back(static_cast<char>(byte));
  return out;
}

TEST(EventRecord, BytesAreThoseOfTensorBoardsOwnWriter) {
  EXPECT_EQ(version_record(kTime), stored("version"));
  EXPECT_EQ(session_start_record(kTime, 301), stored("start"));
  const EventScalar scalars[] = {{"train/loss", 0.1}, {"validation/map", -2.5e-8}, {"zero", 0.0}};
  EXPECT_EQ(scalars_record(kTime, 300, scalars), stored("scalars"));
  // Longer than 127 bytes: lengths take two bytes.
  std::string picture;
  for (int i = 0; i < 300; ++i) picture.push_back(static_cast<char>(i % 256));
  EXPECT_EQ(image_record(kTime, std::int64_t{1} << 40,
                         {.tag = "validation/a", .height = 160, .width = 1296, .encoded = picture}),
            stored("image"));
}

TEST(EventRecord, NumbersThatAFloatCannotHoldBecomeInfinite) {
  const EventScalar most[] = {{"a", 1e300}, {"b", -1e300}},
                    same[] = {{"a", HUGE_VAL}, {"b", -HUGE_VAL}};
  EXPECT_EQ(scalars_record(0, 1, most), scalars_record(0, 1, same));
}

TEST(EventFile, IsNamedAfterEveryFileThatIsThere) {
  TemporaryFolder temp;
  const std::string folder = temp / "run/tb";
  std::vector<std::string> names;
  for (int i = 0; i < 3; ++i)
    names.push_back(fs::path(EventFile(folder, i, [](const auto&) {}).path()).filename().string());
  write_text(folder + "/events.out.tfevents.5000000000.host.1", "");
  names.push_back("events.out.tfevents.5000000000.host.1");
  names.push_back(fs::path(EventFile(folder, 9, [](const auto&) {}).path()).filename().string());
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end())) << testing::PrintToString(names);
  EXPECT_EQ(std::set(names.begin(), names.end()).size(), names.size());
}

TEST(EventFile, ADiskThatRefusesIsToldOnceAndDoesNotThrow) {
  TemporaryFolder temp;
  write_text(temp / "tb", "a file where the folder should be");
  int notices = 0;
  EventFile file(temp / "tb", 1, [&](const std::string& line) {
    ++notices;
    EXPECT_THAT(line, testing::HasSubstr("cannot be written"));
  });
  file.scalars(1, std::vector<EventScalar>{{"a", 1.0}});
  EXPECT_EQ(notices, 1);
}

TEST(RunEvents, EveryNumberOfALineIsAScalar) {
  std::int64_t step = 0;
  std::vector<EventScalar> scalars;
  ASSERT_TRUE(event_scalars(
      R"({"kind":"validation","step":12,"epoch":3,"map":0.5,"recall":null,"best":true,"x":"y"})",
      step, scalars));
  EXPECT_EQ(step, 12);
  ASSERT_EQ(scalars.size(), 2U);
  EXPECT_EQ(scalars[0].tag, "validation/epoch");
  EXPECT_EQ(scalars[1].tag, "validation/map");
  EXPECT_EQ(scalars[1].value, 0.5);
  EXPECT_FALSE(event_scalars("{\"kind\":\"tra", step, scalars));
  EXPECT_FALSE(event_scalars("{\"kind\":\"train\"}", step, scalars));
}

TEST(RunEvents, ShowsPairsWithPeopleFromTheWholeList) {
  std::vector<metrics::ImageTruth> truth(20);
  EXPECT_TRUE(pairs_to_show(truth, 4).empty());
  for (std::size_t i = 3; i < 19; i += 2) truth[i].targets.resize(1);
  truth[0].targets.resize(1);
  truth[0].targets[0].ignore = true;
  EXPECT_THAT(pairs_to_show(truth, 4), testing::ElementsAre(3, 7, 11, 15));
  EXPECT_THAT(pairs_to_show(truth, 100).size(), 8);
}

// What the frames hold, one after the other.
std::vector<std::string> payloads(const std::string& file) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < file.size();) {
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < 8; ++i)
      size |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(file.at(at + i))) << (8 * i);
    out.push_back(file.substr(at + 12, size));
    at += 16 + size;
  }
  return out;
}

TEST(RunEvents, RecordsOfTheLastStepAreWrittenAgainAfterTheyHaveBeenTakenBack) {
  TemporaryFolder temp;
  const std::string log =
      "{\"kind\":\"train\",\"step\":5,\"loss\":1.5}\n{\"kind\":\"train\",\"step\":6,\"loss\":2.5}"
      "\n";
  RunEvents events(temp / "run", 6, log, [](const auto&) {});
  events.line("{\"kind\":\"validation\",\"step\":6,\"map\":0.5}");
  const auto records = payloads(read_text(events.file().path()));
  ASSERT_EQ(records.size(), 4U);  // version, start, loss of step 6, map
  EXPECT_THAT(records[2], testing::HasSubstr("train/loss"));
  EXPECT_THAT(records[3], testing::HasSubstr("validation/map"));
}

}  // namespace
}  // namespace ktrain::test
