// The built-in data set on disk: what is written, read back, refused and left alone.
#include "data/synth/synth.h"

#include <cmath>
#include <csignal>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/pair_index.h"
#include "tests/support/data.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;
using test::fault_of;
using test::TempFolder;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

SynthSpec small_spec() {
  SynthSpec spec;
  spec.train_pairs = 12;
  spec.val_pairs = 5;
  spec.width = 120;
  spec.height = 96;
  spec.crowding = 2;
  return spec;
}

// Every file beneath a folder and its bytes.
std::map<std::string, test::Bytes> contents(const fs::path& root) {
  std::map<std::string, test::Bytes> files;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(root).string()] = test::read_bytes(entry.path());
  return files;
}

PairReport read(const fs::path& root, const char* list) {
  return read_pairs(DataFolder(root), {.list = list}, /*whole_images=*/true);
}

TEST(Synth, SameSeedSameBytesWhateverTheThreads) {
  const TempFolder folder;
  SynthSpec spec = small_spec();
  spec.shift = 3;
  ASSERT_TRUE(ensure_synth(folder.path() / "one", spec, 1));
  ASSERT_TRUE(ensure_synth(folder.path() / "five", spec, 5));
  const auto one = contents(folder.path() / "one");
  EXPECT_EQ(one.size(), 3u * 17 + 3) << "three files a pair, two lists, one manifest";
  EXPECT_TRUE(one == contents(folder.path() / "five"));
  spec.seed = 2;
  ASSERT_TRUE(ensure_synth(folder.path() / "other", spec, 2));
  EXPECT_FALSE(one == contents(folder.path() / "other"));
}

// A scene does not depend on how many others there are, the thermal image not on the visible
// camera.
TEST(Synth, ScenesAreIndependent) {
  const TempFolder folder;
  SynthSpec spec = small_spec();
  ensure_synth(folder.path() / "few", spec, 2);
  spec.train_pairs = 20;
  spec.quality = 0.2;
  spec.shift = 4;
  ensure_synth(folder.path() / "many", spec, 2);
  const auto few = contents(folder.path() / "few"), many = contents(folder.path() / "many");
  int same = 0, visible_changed = 0;
  for (const auto& [name, bytes] : few) {
    const auto there = many.find(name);
    ASSERT_TRUE(there != many.end()) << name;
    const bool equal = there->second == bytes;
    if (name.find("/lwir/") != std::string::npos || name.starts_with("annotations/")) {
      EXPECT_TRUE(equal) << name;
      ++same;
    }
    visible_changed += name.find("/visible/") != std::string::npos && !equal;
  }
  EXPECT_EQ(same, 2 * 17);
  EXPECT_EQ(visible_changed, 17);
}

TEST(Synth, TheReaderFindsNothingWrong) {
  const TempFolder folder;
  const SynthSpec spec = small_spec();
  ensure_synth(folder.path() / "set", spec, 2);
  std::set<std::string> groups;
  for (const auto& [list, pairs] : {std::pair{kSynthTrainList, 12}, std::pair{kSynthValList, 5}}) {
    const PairReport report = read(folder.path() / "set", list);
    EXPECT_EQ(report.problems.size(), 0u) << report.problems.front().text;
    EXPECT_EQ(report.index.size(), pairs);
    EXPECT_EQ(report.clipped, 0);
    EXPECT_GT(report.positive, 0);
    for (std::int64_t i = 0; i < report.index.size(); ++i) {
      const Pair& pair = report.index[i];
      EXPECT_EQ(pair.width, 120);
      EXPECT_EQ(pair.height, 96);
      const int set = std::stoi(pair.id.substr(3, 2));
      EXPECT_EQ(set >= 6, list == std::string(kSynthValList)) << pair.id;
      for (const PairBox& box : pair.boxes) {
        EXPECT_GT(box.box[3] - box.box[1], 5) << pair.id;
        EXPECT_LT(box.box[2] - box.box[0], 60) << pair.id;
      }
    }
  }
}

// Day and night by KAIST's rule: sets 03-05 and 09-11 are night.
TEST(Synth, SharesAreKept) {
  const TempFolder folder;
  SynthSpec spec = small_spec();
  spec.width = spec.height = 32;
  spec.train_pairs = 200;
  spec.night = 0.25;
  spec.empty = 0.4;
  ensure_synth(folder.path() / "set", spec, 2);
  const PairReport report = read(folder.path() / "set", kSynthTrainList);
  int night = 0, night_and_empty = 0, empty = 0;
  double dark = 0, bright = 0;
  for (std::int64_t i = 0; i < report.index.size(); ++i) {
    const Pair& pair = report.index[i];
    const bool at_night = std::stoi(pair.id.substr(3, 2)) >= 3;
    const auto bytes = test::read_bytes(folder.path() / "set" / pair.visible);
    const Image image = decode_image({pair.visible, bytes});
    double mean = 0;
    for (const std::uint8_t value : image.rgb)
      mean += value / static_cast<double>(image.rgb.size());
    (at_night ? dark : bright) += mean;
    night += at_night;
    empty += pair.boxes.empty();
    night_and_empty += at_night && pair.boxes.empty();
  }
  EXPECT_NEAR(night, 50, 2);
  EXPECT_NEAR(empty, 80, 3);
  EXPECT_NEAR(night_and_empty, 20, 5) << "the two shares do not depend on each other";
  EXPECT_LT(dark / night, 0.75 * bright / (200 - night));
}

TEST(Synth, CrowdingAddsPeople) {
  const TempFolder folder;
  SynthSpec spec = small_spec();
  spec.width = 80, spec.height = 64;
  spec.train_pairs = 60;
  spec.empty = 0;
  std::map<double, PairReport> reports;
  for (const double crowding : {0.0, 1.0, 5.0}) {
    spec.crowding = crowding;
    const fs::path root = folder.path() / std::to_string(crowding);
    ensure_synth(root, spec, 2);
    reports[crowding] = read(root, kSynthTrainList);
  }
  EXPECT_LE(reports[0].positive + reports[0].ignored, 60) << "one each, some behind something";
  EXPECT_GE(reports[0].positive + reports[0].ignored, 55);
  EXPECT_GT(reports[1].positive, 90);
  EXPECT_GT(reports[5].positive, 2 * reports[1].positive);
  EXPECT_GT(reports[5].labels["people"], reports[1].labels["people"]);
  int occluded = 0;
  for (std::int64_t i = 0; i < reports[5].index.size(); ++i)
    for (const PairBox& box : reports[5].index[i].boxes) occluded += box.occlusion > 0;
  EXPECT_GT(occluded, 30);
}

TEST(Synth, ASecondCallFindsTheSetAndChangesNothing) {
  const TempFolder folder;
  const fs::path root = folder.path() / "deep" / "set";
  EXPECT_TRUE(ensure_synth(root / "", small_spec(), 2)) << "a name that ends in a slash";
  const auto before = contents(root);
  const auto time = fs::last_write_time(root / "synth.json");
  EXPECT_FALSE(ensure_synth(root, small_spec(), 2));
  EXPECT_TRUE(before == contents(root));
  EXPECT_EQ(time, fs::last_write_time(root / "synth.json"));
}

TEST(Synth, AnEmptyFolderIsTaken) {
  const TempFolder folder;
  fs::create_directory(folder.path() / "set");
  EXPECT_TRUE(ensure_synth(folder.path() / "set", small_spec(), 2));
}

TEST(Synth, AnotherSpecIsRefused) {
  const TempFolder folder;
  SynthSpec spec = small_spec();
  ensure_synth(folder.path() / "set", spec, 2);
  const auto before = contents(folder.path() / "set");
  spec.seed = 7;
  spec.quality = 0.25;
  EXPECT_THAT(fault_of([&] { ensure_synth(folder.path() / "set", spec, 2); }),
              AllOf(StartsWith("KT-DATA-019"), HasSubstr("seed 1, wanted 7"),
                    HasSubstr("quality 1.0, wanted 0.25")));
  EXPECT_TRUE(before == contents(folder.path() / "set"));
}

TEST(Synth, AnIncompleteSetIsRefused) {
  const TempFolder folder;
  const fs::path root = folder.path() / "set";
  ensure_synth(root, small_spec(), 2);
  const std::string visible = read(root, kSynthValList).index[2].visible;
  const test::Bytes bytes = test::read_bytes(root / visible);
  const auto fault = [&] { return fault_of([&] { ensure_synth(root, small_spec(), 2); }); };
  fs::remove(root / visible);
  EXPECT_THAT(fault(), AllOf(StartsWith("KT-DATA-020"), HasSubstr(visible + " is missing")));
  folder.write("set/" + visible, test::Bytes(bytes.begin(), bytes.begin() + 100));
  EXPECT_THAT(fault(), AllOf(StartsWith("KT-DATA-020"), HasSubstr("bytes")));
  folder.write("set/" + visible, bytes);
  EXPECT_EQ(fault(), "");
  const test::Bytes list = test::read_bytes(root / "imageSets/val.txt");
  folder.write("set/imageSets/val.txt", test::Bytes(list.begin(), list.end() - 20));
  EXPECT_THAT(fault(), AllOf(StartsWith("KT-DATA-020"), HasSubstr("imageSets/val.txt")));
}

TEST(Synth, NothingOfTheUsersIsRemoved) {
  const TempFolder folder;
  folder.write("set/thesis.tex", "years of work");
  EXPECT_THAT(fault_of([&] { ensure_synth(folder.path() / "set", small_spec(), 2); }),
              StartsWith("KT-DATA-018"));
  folder.write("file", "a file");
  EXPECT_THAT(fault_of([&] { ensure_synth(folder.path() / "file", small_spec(), 2); }),
              StartsWith("KT-DATA-018"));
  folder.write("new.unfinished/thesis.tex", "years of work");
  EXPECT_THAT(fault_of([&] { ensure_synth(folder.path() / "new", small_spec(), 2); }),
              StartsWith("KT-DATA-018"));
  folder.write("broken/synth.json", "{\"generator\": ");
  EXPECT_THAT(fault_of([&] { ensure_synth(folder.path() / "broken", small_spec(), 2); }),
              StartsWith("KT-DATA-018"));
  EXPECT_EQ(contents(folder.path()).size(), 4u);
  EXPECT_FALSE(fs::exists(folder.path() / "new"));
}

TEST(Synth, AWrongSpecNamesTheSetting) {
  const TempFolder folder;
  SynthSpec spec = small_spec();
  spec.night = 1.5;
  EXPECT_THAT(fault_of([&] { ensure_synth(folder.path() / "set", spec, 2); }),
              AllOf(StartsWith("KT-DATA-021"), HasSubstr("night is 1.5, wanted 0 to 1")));
  spec.night = std::nan("");
  EXPECT_THAT(fault_of([&] { ensure_synth(folder.path() / "set", spec, 2); }),
              StartsWith("KT-DATA-021"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

// Runs `work` in a process of its own, ends it after `microseconds` if those are given, and returns
// its status.
template <class Work>
int in_child(Work&& work, unsigned microseconds = 0) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  if (microseconds > 0) {
    usleep(microseconds);
    kill(child, SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST(Synth, AKilledCallLeavesNoSetAndTheNextOneMakesIt) {
  const TempFolder folder;
  const fs::path root = folder.path() / "set";
  SynthSpec many = small_spec();
  many.train_pairs = 100'000;  // minutes of work
  const int status = in_child([&] { ensure_synth(root, many, 2); }, 300'000);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(fs::exists(root));
  EXPECT_TRUE(fs::exists(root.string() + ".unfinished"));
  EXPECT_TRUE(ensure_synth(root, small_spec(), 2));
  EXPECT_FALSE(fs::exists(root.string() + ".unfinished"));
  EXPECT_EQ(read(root, kSynthTrainList).problems.size(), 0u);
}

TEST(Synth, ADiskThatRefusesLeavesNothing) {
  const TempFolder folder;
  const fs::path root = folder.path() / "set";
  const int status = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {2000, 2000};  // bytes per file: less than an image has
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string fault = fault_of([&] { ensure_synth(root, small_spec(), 2); });
    _exit(fault.starts_with("KT-IO-001") ? 7 : 8);
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Synth, TwoProcessesMakeItOnce) {
  const TempFolder folder;
  const fs::path root = folder.path() / "set";
  SynthSpec spec = small_spec();
  spec.train_pairs = 60;
  const pid_t child = fork();
  if (child == 0) {
    const bool made = ensure_synth(root, spec, 1);
    _exit(made ? 1 : 0);
  }
  const bool made = ensure_synth(root, spec, 1);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ((made ? 1 : 0) + WEXITSTATUS(status), 1);
  EXPECT_EQ(read(root, kSynthTrainList).index.size(), 60);
}

}  // namespace
}  // namespace ktrain
