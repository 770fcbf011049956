#include "train/run_folder.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/fault.h"
#include "tests/support/temporary_folder.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const Notice kQuiet = [](const std::string&) {};

TEST(RunFolder, CutsRecordsThatAResumedRunRepeats) {
  TemporaryFolder temp;
  const std::string path = temp / "run";
  {
    RunFolder folder(real_file_system(), path, kQuiet);
    for (const int step : {2, 4, 6, 8})
      folder.scalar("{\"kind\":\"train\",\"step\":" + std::to_string(step) + "}");
    folder.scalar("{\"kind\":\"validation\",\"step\":4}");
    folder.scalar("{\"kind\":\"validation\",\"step\":8}");
    folder.result("epoch,step,map", "1,4,0.5");
    folder.result("epoch,step,map", "2,8,0.6");
  }
  // What a killed process leaves: a line without an end.
  std::string text = read_text(path + "/scalars.jsonl");
  write_text(path + "/scalars.jsonl", text + "{\"kind\":\"tra");

  RunFolder folder(real_file_system(), path, kQuiet);
  EXPECT_EQ(folder.cut_after(6, 4), 1 + 1 + 1 + 1);  // step 8, validation 8, half a line, a row
  EXPECT_EQ(read_text(path + "/results.csv"), "epoch,step,map\n1,4,0.5\n");
  EXPECT_THAT(read_text(path + "/scalars.jsonl"), testing::Not(HasSubstr("8")));
  EXPECT_THAT(read_text(path + "/scalars.jsonl"), HasSubstr("{\"kind\":\"train\",\"step\":6}\n"));
  // The end of the step was reached, its validation was not.
  EXPECT_EQ(folder.cut_after(6, 3), 2);
  folder.result("epoch,step,map", "1,4,0.7");
  EXPECT_EQ(read_text(path + "/results.csv"), "epoch,step,map\n1,4,0.7\n");
}

TEST(RunFolder, ReplacesSmallFilesWhole) {
  TemporaryFolder temp;
  RunFolder folder(real_file_system(), temp / "run", kQuiet);
  folder.write("val/epoch_01/a.txt", "one");
  folder.write("val/epoch_01/a.txt", "two");
  EXPECT_EQ(folder.read("val/epoch_01/a.txt"), "two");
  EXPECT_FALSE(fs::exists(temp / "run/val/epoch_01/a.txt.tmp"));
  EXPECT_EQ(folder.read("nothing"), "");
}

TEST(RunFolder, LogsThatCannotBeWrittenAreCountedAndDoNotStopARun) {
  TemporaryFolder temp;
  RunFolder folder(real_file_system(), temp / "run", kQuiet);
  fs::create_directory(temp / "run/train.log");  // a folder takes no lines, whoever asks
  folder.log("one\ntwo");
  EXPECT_EQ(folder.lost_lines(), 2);
  fs::remove(temp / "run/train.log");
  folder.log("three");
  EXPECT_EQ(folder.lost_lines(), 2);
  EXPECT_THAT(read_text(temp / "run/train.log"),
              testing::MatchesRegex("....-..-..T..:..:..Z  three\n"));
}

TEST(RunFolder, ArchivesUnderTheFirstFreeName) {
  TemporaryFolder temp;
  FileSystem& files = real_file_system();
  EXPECT_EQ(archive_run_folder(files, temp / "run"), "");
  fs::create_directory(temp / "run");
  EXPECT_EQ(archive_run_folder(files, temp / "run"), temp / "run.1");
  fs::create_directory(temp / "run");
  EXPECT_EQ(archive_run_folder(files, temp / "run"), temp / "run.2");
  EXPECT_FALSE(fs::exists(temp / "run"));
}

TEST(RunFolder, OneThatIsInUseIsNotMoved) {
  TemporaryFolder temp;
  const RunFolder folder(real_file_system(), temp / "run", kQuiet);
  try {
    (void)archive_run_folder(real_file_system(), temp / "run");
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-IO-011");
  }
  EXPECT_TRUE(fs::exists(temp / "run"));
}

}  // namespace
}  // namespace ktrain::test
