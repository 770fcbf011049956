#include "data/pair_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/data.h"

namespace ktrain {
namespace {

using test::TempFolder;
using testing::HasSubstr;

const std::string kPerson = "% bbGt version=3\nperson 10 10 20 40 0 0 0 0 0 0 0\n";

// A KAIST tree of `frames` good pairs at 64x48.
void write_kaist(const TempFolder& folder, int frames) {
  std::string list;
  for (int i = 0; i < frames; ++i) {
    const std::string frame = fmt::format("I{:05}", i);
    for (const char* modality : {"visible", "lwir"})
      folder.write(fmt::format("images/set00/V000/{}/{}.jpg", modality, frame),
                   encode_jpeg(test::gradient_image(48, 64, i)));
    folder.write("annotations/set00/V000/" + frame + ".txt", kPerson);
    list += "set00/V000/" + frame + "\n";
  }
  folder.write("imageSets/train.txt", list);
}

PairReport read(const TempFolder& folder, bool whole = true) {
  return read_pairs(DataFolder(folder.path()), {.list = "train"}, whole);
}

std::string problems(const PairReport& report) {
  std::string text;
  for (const DataProblem& problem : report.problems) text += problem.id + " " + problem.text + "\n";
  return text;
}

TEST(PairIndex, ReadsAKaistTree) {
  const TempFolder folder;
  write_kaist(folder, 3);
  const PairReport report = read(folder);
  EXPECT_EQ(problems(report), "");
  ASSERT_EQ(report.index.size(), 3);
  const Pair& pair = report.index[1];
  EXPECT_EQ(pair.id, "set00/V000/I00001");
  EXPECT_EQ(pair.group, "set00/V000");
  EXPECT_EQ(pair.width, 64);
  ASSERT_EQ(pair.boxes.size(), 1u);
  EXPECT_EQ(pair.boxes[0].box, (std::array<double, 4>{10, 10, 30, 48})) << "clipped at the border";
  EXPECT_EQ(report.clipped, 3);
  EXPECT_EQ(report.index.find("set00/V000/I00002"), 2);
  EXPECT_EQ(report.index.find("set00/V000/I00009"), -1);
  EXPECT_EQ(report.index.manifest_hash(), read(folder, false).index.manifest_hash());
}

TEST(PairIndex, TheHashFollowsTheBoxes) {
  const TempFolder a, b;
  write_kaist(a, 2);
  write_kaist(b, 2);
  EXPECT_EQ(read(a).index.manifest_hash(), read(b).index.manifest_hash());
  b.write("annotations/set00/V000/I00001.txt",
          "% bbGt version=3\nperson 10 10 20 30 0 0 0 0 0 0 0\n");
  EXPECT_NE(read(a).index.manifest_hash(), read(b).index.manifest_hash());
}

// Each planted fault is found, by file and line, and does not hide the others.
TEST(PairIndex, FindsEveryPlantedFault) {
  const TempFolder folder;
  write_kaist(folder, 9);
  const auto at = [&](const std::string& path) { return folder.path() / path; };
  std::filesystem::remove(at("images/set00/V000/lwir/I00001.jpg"));
  folder.write("images/set00/V000/lwir/I00002.jpg", encode_jpeg(test::gradient_image(48, 80)));
  test::Bytes cut = encode_jpeg(test::gradient_image(48, 64));
  cut.resize(cut.size() / 2);
  folder.write("images/set00/V000/visible/I00003.jpg", cut);
  folder.write("annotations/set00/V000/I00004.txt",
               "% bbGt version=3\nperson 10 x 20 40 0 0 0 0 0 0 0\n");
  folder.write("annotations/set00/V000/I00005.txt",
               "% bbGt version=3\nPerson 1 1 9 9 0 0 0 0 0 0 0\n");
  folder.write("annotations/set00/V000/I00006.txt",
               "% bbGt version=3\nperson 9 9 0 9 0 0 0 0 0 0 0\n");
  folder.write("annotations/set00/V000/I00007.txt",
               "% bbGt version=3\nperson 900 9 9 9 0 0 0 0 0 0 0\n");
  std::string list;
  for (const int i : {0, 1, 2, 3, 4, 5, 6, 7, 8, 8}) list += fmt::format("set00/V000/I{:05}\n", i);
  folder.write("imageSets/train.txt", list);

  const PairReport report = read(folder);
  const std::string text = problems(report);
  EXPECT_THAT(text, HasSubstr("KT-DATA-011 set00/V000/I00001: the thermal image is missing"));
  EXPECT_THAT(text, HasSubstr("KT-DATA-012 set00/V000/I00002: visible is 64x48, thermal 80x48"));
  EXPECT_THAT(text, HasSubstr("KT-DATA-002"));
  EXPECT_THAT(text, HasSubstr("I00003.jpg"));
  EXPECT_THAT(text, HasSubstr("I00004.txt:2"));
  EXPECT_THAT(text, HasSubstr("I00005.txt:2: unknown class 'Person'"));
  EXPECT_THAT(text, HasSubstr("KT-DATA-014"));
  EXPECT_THAT(text, HasSubstr("I00007.txt:2"));
  EXPECT_THAT(text, HasSubstr("KT-DATA-015 set00/V000/I00008: listed twice"));
  EXPECT_EQ(report.problems.size(), 8u) << text;
  EXPECT_EQ(report.index.size(), 2) << "the good pairs, once each";
  EXPECT_EQ(report.labels.at("Person"), 1);

  const DataFolder root(folder.path());
  const std::string fault = test::fault_of([&] { (void)require_pairs(read(folder), root); });
  EXPECT_THAT(fault, HasSubstr("I00001"));
  EXPECT_THAT(fault, HasSubstr("7 more problems in 10 pairs; `ktrain check "));
  EXPECT_THAT(fault, HasSubstr("--layout kaist --list train` lists all"));
}

TEST(PairIndex, ListsCannotLeadOutOfTheRoot) {
  const TempFolder folder;
  write_kaist(folder, 1);
  for (const char* line : {"../set00/V000", "/etc/passwd", "set00/V000"}) {
    folder.write("imageSets/train.txt", std::string(line) + "\n");
    EXPECT_NE(test::fault_of([&] { (void)read(folder); }), "") << line;
  }
}

TEST(PairIndex, NothingToLearnFromIsAProblem) {
  const TempFolder folder;
  write_kaist(folder, 1);
  folder.write("annotations/set00/V000/I00000.txt", "% bbGt version=3\n");
  EXPECT_THAT(problems(read(folder)), HasSubstr("KT-DATA-016"));
}

TEST(PairIndex, ListsOfOneRunAreDisjoint) {
  const TempFolder folder;
  write_kaist(folder, 3);
  const DataFolder files(folder.path());
  const auto list = [&](const std::string& name) { return read_pairs(files, {.list = name}); };
  EXPECT_NO_THROW(
      require_disjoint(list("train:!set00/V000/I00002"), list("train:set00/V000/I00002")));
  EXPECT_THAT(
      test::fault_of([&] { require_disjoint(list("train"), list("train:!set00/V000/I00000")); }),
      HasSubstr("KT-DATA-032: set00/V000/I00001: in list 'train' and in list "
                "'train:!set00/V000/I00000', as are 1 more"));
}

TEST(PairIndex, RealLlvipPairs) {
  if (test::shared_data().empty()) GTEST_SKIP() << "no real LLVIP pairs beside the checkout";
  const DataFolder folder(test::shared_data() / "llvip_mini");
  const PairReport report =
      read_pairs(folder, {.layout = "llvip", .list = "train", .origin = 1}, true);
  EXPECT_EQ(problems(report), "");
  EXPECT_EQ(report.index.size(), 9);
  EXPECT_EQ(report.index[0].width, 1280);
  EXPECT_GT(report.positive, 9);
}

}  // namespace
}  // namespace ktrain
