#include "train/check_command.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tests/support/layout_trees.h"
#include "tests/support/temporary_folder.h"
#include "train/cli.h"

namespace ktrain {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Outcome {
  int code;
  std::string out, err;
};

Outcome check(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "check");
  std::ostringstream out, err;
  const int code = run(arguments, out, err);
  return {code, out.str(), err.str()};
}

class CheckCommand : public testing::Test {
 protected:
  // Three good pairs in list "some"; the second loses its thermal image.
  void SetUp() override { test::layout_trees().at("kaist")(folder_); }
  void damage() const {
    std::filesystem::remove(folder_.path() / "images/set00/V000/lwir/I00020.jpg");
  }
  [[nodiscard]] std::string root() const { return folder_.path().string(); }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_.path() / name).string();
  }
  test::TempFolder folder_;
};

TEST_F(CheckCommand, ExitCodesAreNoneOr65) {
  const Outcome good = check({root(), "--list", "some"});
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  EXPECT_THAT(good.out, HasSubstr("pairs     3 listed, 3 sound, 0 without a positive box"));
  EXPECT_THAT(good.out, HasSubstr("problems  none"));
  damage();
  const Outcome bad = check({root(), "--list", "some"});
  EXPECT_EQ(bad.code, 65);
  EXPECT_THAT(bad.out, HasSubstr("problems  1\n  KT-DATA-011  set00/V000/I00020: the thermal image "
                                 "is missing"));
  EXPECT_THAT(bad.out, HasSubstr("imageSets/some.txt:2"));
}

TEST_F(CheckCommand, JsonSaysTheSame) {
  damage();
  const Outcome outcome = check({root(), "--list", "some", "--json"});
  EXPECT_EQ(outcome.code, 65);
  const auto report = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(report["num_problems"], 1);
  const auto& list = report["lists"][0];
  EXPECT_EQ(list["listed"], 3);
  EXPECT_EQ(list["sound"], 2);
  EXPECT_EQ(list["problems"][0]["id"], "KT-DATA-011");
  EXPECT_EQ(list["problems"][0]["pair"], "set00/V000/I00020");
  EXPECT_EQ(list["heights"]["20-50"], 2);
  EXPECT_EQ(list["names_sha256"].get<std::string>().size(), 64u);
}

// The written list is read back without a problem, and nothing is overwritten.
TEST_F(CheckCommand, WritesTheListWithoutTheBadPairs) {
  damage();
  const std::string clean = path("imageSets/clean.txt");
  const Outcome outcome = check({root(), "--list", "some", "--write-list", clean});
  EXPECT_EQ(outcome.code, 65);
  EXPECT_EQ(test::read_text(clean), "set00/V000/I00000\nset00/V000/I00040\n");
  EXPECT_EQ(check({root(), "--list", "clean"}).code, 0);
  const Outcome again = check({root(), "--list", "some", "--write-list", clean});
  EXPECT_EQ(again.code, 64);
  EXPECT_THAT(again.err, HasSubstr("is there already"));
  EXPECT_EQ(check({root(), "--list", "some", "--write-list", path("no/folder/x")}).code, 74);
}

TEST(CheckWriteList, IsReadBackInEveryLayoutWithLists) {
  for (const auto& [preset, write_tree] : test::layout_trees()) {
    if (preset == "coco") continue;
    const test::TempFolder folder;
    const std::string list = write_tree(folder), root = folder.path().string();
    const bool listed = preset.starts_with("kaist") || preset == "synth";
    const std::string clean = (folder.path() / (preset == "voc" ? "ImageSets"
                                                : listed        ? "imageSets"
                                                                : "."))
                                  .string() +
                              "/clean.txt";
    const Outcome outcome =
        check({root, "--layout", preset, "--list", list, "--write-list", clean});
    EXPECT_EQ(outcome.code, 0) << preset << outcome.out << outcome.err;
    const Outcome again = check({root, "--layout", preset, "--list", "clean"});
    EXPECT_EQ(again.code, 0) << preset << again.out << again.err;
    EXPECT_THAT(again.out, HasSubstr("pairs     3 listed, 3 sound")) << preset;
  }
}

// A plan that learns one list by heart names it twice; that is no pair in two lists.
TEST_F(CheckCommand, OneListOfAPlanForBothUsesIsCheckedOnce) {
  folder_.write("imageSets/val.txt", "set00/V000/I00040\n");
  folder_.write("p.cfg", "[data]\npreset = \"kaist\"\nroot = \"" + root() +
                             "\"\ntrain = \"val\"\nval = \"val\"\n");
  const Outcome outcome = check({path("p.cfg")});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
}

TEST_F(CheckCommand, ComparesTwoLists) {
  folder_.write("imageSets/val.txt", "set00/V000/I00040\n");
  const Outcome outcome = check({root(), "--list", "some", "val"});
  EXPECT_EQ(outcome.code, 65);
  EXPECT_THAT(outcome.out, HasSubstr("overlap   1 problems, 1 warnings"));
  EXPECT_THAT(outcome.out, HasSubstr("KT-DATA-032  set00/V000/I00040: in list 'some' and in list "
                                     "'val'"));
  EXPECT_THAT(outcome.out, HasSubstr("nearest frames 20 apart"));
  const Outcome split = check({root(), "--list", "some:!set00/V000/I0004", "val"});
  EXPECT_EQ(split.code, 0) << split.out;
  EXPECT_EQ(check({root(), "--list", "some", "val", "--write-list", path("x")}).code, 64);
}

TEST_F(CheckCommand, ChecksTheListsOfAPlan) {
  folder_.write("imageSets/val.txt", "set00/V000/I00040\n");
  folder_.write("p.cfg",
                fmt::format("data = {{root = '{}', train = 'some:!set00/V000/I0004', val = "
                            "'val'}}\n",
                            root()));
  const Outcome outcome = check({path("p.cfg")});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("list      'val' (kaist)"));
  EXPECT_EQ(check({path("p.cfg"), "--list", "some"}).code, 64);
  folder_.write("q.cfg", "data.preset = 'kaits'\n");
  const Outcome misspelt = check({path("q.cfg")});
  EXPECT_EQ(misspelt.code, 78);
  EXPECT_THAT(misspelt.err, HasSubstr("q.cfg:1:15: data.preset: no such choice 'kaits'"));
  EXPECT_THAT(misspelt.err, HasSubstr("did you mean 'kaist'?"));
}

TEST_F(CheckCommand, RefusesWhatIsNotThere) {
  const Outcome layout = check({root(), "--layout", "lvip"});
  EXPECT_EQ(layout.code, 64);
  EXPECT_THAT(layout.err, HasSubstr("no layout 'lvip'; wanted one of"));
  EXPECT_THAT(layout.err, HasSubstr("did you mean 'llvip'?"));
  EXPECT_EQ(check({root(), "--layout", "m3fd"}).code, 78) << "it has no list of its own";
  EXPECT_EQ(check({root(), "--list", "smoe"}).code, 66);
  EXPECT_EQ(check({root(), "--list", "some", "--boxes", "mean"}).code, 78);
  EXPECT_EQ(check({root(), "--list", "some", "--origin", "2"}).code, 64);
}

TEST_F(CheckCommand, NamesFromFilesAreEscaped) {
  folder_.write("annotations/set00/V000/I00000.txt",
                "% bbGt version=3\n\xff\xfe 1 2 10 30 0 0 0 0 0 0 0\n");
  std::vector<std::string> command = {root(), "--list", "some"};
  for (const char* const mode : {"text", "json"}) {
    const Outcome outcome = check(command);
    EXPECT_EQ(outcome.code, 65);
    EXPECT_THAT(outcome.out, HasSubstr("xff")) << mode;
    EXPECT_THAT(outcome.out, Not(HasSubstr("\xff"))) << mode;
    command.push_back("--json");
  }
}

}  // namespace
}  // namespace ktrain
