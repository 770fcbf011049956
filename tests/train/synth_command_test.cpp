// `ktrain synth` from the command line.
#include "train/synth_command.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/pair_index.h"
#include "tests/support/data.h"
#include "train/cli.h"

namespace ktrain {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Outcome {
  int code;
  std::string out, err;
};

Outcome synth(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "synth");
  std::ostringstream out, err;
  const int code = run(arguments, out, err);
  return {code, out.str(), err.str()};
}

TEST(SynthCommand, MakesReadsBackAndShows) {
  const test::TempFolder folder;
  const std::string root = (folder.path() / "set").string();
  const std::string sheet = (folder.path() / "sheet.png").string();
  const std::vector<std::string> call = {root,    "--pairs", "14",  "--val",     "3",  "--size",
                                         "96x80", "--night", "0.5", "--crowd",   "2",  "--empty",
                                         "0.1",   "--shift", "2",   "--photons", "40", "--seed",
                                         "9",     "--sheet", sheet, "--threads", "2"};
  const Outcome made = synth(call);
  ASSERT_EQ(made.code, 0) << made.err;
  const DataFolder data(root);
  const PairReport train = read_pairs(data, {.list = "train"}, true);
  EXPECT_EQ(train.index.size(), 14);
  EXPECT_THAT(made.out, AllOf(HasSubstr("train     14 pairs, 7 at night"),
                              HasSubstr(fmt::format(" {} pedestrians", train.positive)),
                              HasSubstr("40 photons"), HasSubstr("made      17 pairs in ")));
  const auto bytes = test::read_bytes(sheet);
  const Image picture = decode_image({"sheet.png", bytes});
  EXPECT_EQ(picture.width, 4 * (96 * 256 / 80 + 4) - 4);
  const Outcome again = synth(call);
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.out, HasSubstr("complete  nothing to make"));
}

TEST(SynthCommand, ASetWithNobodyInItCanBeMade) {
  const test::TempFolder folder;
  const Outcome made = synth({(folder.path() / "set").string(), "--pairs", "3", "--val", "2",
                              "--size", "64x64", "--empty", "1"});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("3 without a pedestrian"));
}

TEST(SynthCommand, WrongUseIsRefusedBeforeAnythingIsWritten) {
  const test::TempFolder folder;
  const std::string root = (folder.path() / "set").string();
  EXPECT_EQ(synth({}).code, 64);
  EXPECT_THAT(synth({root, "--size", "640"}).err, HasSubstr("wanted WIDTHxHEIGHT"));
  EXPECT_THAT(synth({root, "--size", "64x64x3"}).err, HasSubstr("wanted WIDTHxHEIGHT"));
  EXPECT_THAT(synth({root, "--size", "8x64"}).err, HasSubstr("width is 8, wanted 32 to 4096"));
  EXPECT_THAT(synth({root, "--photons", "100", "--quality", "1"}).err, HasSubstr("KT-CLI-001"));
  EXPECT_THAT(synth({root, "--photons", "0"}).err, HasSubstr("KT-DATA-021"));
  EXPECT_THAT(synth({root, "--sheet", "sheet.gif"}).err, HasSubstr("wanted a name in .png"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace ktrain
