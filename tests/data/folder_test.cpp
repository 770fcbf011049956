#include "data/folder.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/data.h"

namespace ktrain {
namespace {

using test::fault_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DataFolderTest : public ::testing::Test {
 protected:
  DataFolderTest() {
    outside_.write("secret.txt", "secret");
    temp_.write("a/b/file.txt", "0123456789");
    temp_.write("a/second.txt", "x");
    temp_.write("top.txt", "");
  }
  void link(const std::string& target, const std::string& name) {
    std::filesystem::create_symlink(target, temp_.path() / name);
  }
  [[nodiscard]] std::string read(const std::string& path) const {
    return DataFolder(temp_.path()).read_text(path, 1000);
  }
  [[nodiscard]] std::string read_fault(const std::string& path) const {
    return fault_of([&] { (void)read(path); });
  }

  test::TempFolder temp_, outside_;
};

TEST_F(DataFolderTest, ReadsAndLists) {
  const DataFolder folder(temp_.path());
  EXPECT_EQ(folder.read_text("a/b/file.txt", 10), "0123456789");
  EXPECT_EQ(folder.read_text("./a//b/file.txt", 10), "0123456789");
  EXPECT_EQ(folder.read_text("top.txt", 10), "");
  EXPECT_EQ(folder.file_bytes("a/b/file.txt"), 10);
  EXPECT_FALSE(folder.file_bytes("a/b").has_value());
  EXPECT_TRUE(folder.has_folder("a/b"));
  EXPECT_TRUE(folder.has_folder(""));
  EXPECT_FALSE(folder.has_folder("a/c"));
  EXPECT_THAT(folder.names("a"), ElementsAre("b", "second.txt"));
  EXPECT_THAT(folder.files("a", 4), ElementsAre("b/file.txt", "second.txt"));
  EXPECT_THAT(folder.files("a", 0), ElementsAre("second.txt"));
  std::vector<std::uint8_t> begin, end;
  EXPECT_EQ(folder.read_ends("a/b/file.txt", 3, 2, begin, end), 10);
  EXPECT_THAT(begin, ElementsAre('0', '1', '2'));
  EXPECT_THAT(end, ElementsAre('8', '9'));
  EXPECT_EQ(folder.read_ends("a/b/file.txt", 30, 20, begin, end), 10);
  EXPECT_EQ(begin, end);
}

TEST_F(DataFolderTest, SaysWhatIsMissing) {
  EXPECT_THAT(fault_of([&] { DataFolder(temp_.path() / "none"); }),
              AllOf(StartsWith("KT-DATA-001"), HasSubstr("/none"), HasSubstr("data.root")));
  EXPECT_THAT(read_fault("a/none.txt"), AllOf(StartsWith("KT-DATA-001"), HasSubstr("a/none.txt")));
  EXPECT_THAT(read_fault("top.txt/x"), StartsWith("KT-DATA-001"));
  EXPECT_THAT(fault_of([&] { (void)DataFolder(temp_.path()).names("none"); }),
              StartsWith("KT-DATA-001"));
}

TEST_F(DataFolderTest, LimitsBytes) {
  EXPECT_THAT(fault_of([&] { (void)DataFolder(temp_.path()).read_text("a/b/file.txt", 9); }),
              AllOf(StartsWith("KT-DATA-004"), HasSubstr("10 bytes")));
}

TEST_F(DataFolderTest, NothingLeadsOut) {
  using namespace std::string_literals;
  const std::string absolute = (outside_.path() / "secret.txt").string();
  for (const std::string& path :
       {"../secret.txt"s, "a/../../secret.txt"s, "a/../top.txt"s, absolute, "C:/secret.txt"s,
        "a\\..\\secret.txt"s, "a\0b"s, "a\nb"s, std::string(5000, 'x')})
    EXPECT_THAT(read_fault(path), StartsWith("KT-DATA-006")) << path.substr(0, 40);
  link(absolute, "absolute.txt");
  link(outside_.path().string(), "folder");
  link("../" + outside_.path().filename().string() + "/secret.txt", "relative.txt");
  link("a/../../" + outside_.path().filename().string(), "sneaky");
  link("loop", "loop");
  for (const std::string path :
       {"absolute.txt", "folder/secret.txt", "relative.txt", "sneaky/secret.txt", "loop"})
    EXPECT_THAT(read_fault(path), AllOf(StartsWith("KT-DATA-006"), HasSubstr("link"))) << path;
}

TEST_F(DataFolderTest, LinksWithinTheRootWork) {
  link("a/b/file.txt", "file");
  link("a", "folder");
  link("../../top.txt", "a/b/up");
  EXPECT_EQ(read("file"), "0123456789");
  EXPECT_EQ(read("folder/b/file.txt"), "0123456789");
  EXPECT_EQ(read("a/b/up"), "");
}

TEST_F(DataFolderTest, OnlyRegularFilesAreRead) {
  ASSERT_EQ(mkfifo((temp_.path() / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(read_fault("fifo"), AllOf(StartsWith("KT-DATA-007"), HasSubstr("regular file")));
  EXPECT_THAT(read_fault("a"), StartsWith("KT-DATA-007"));
}

TEST_F(DataFolderTest, NamesInMessagesAreEscaped) {
  temp_.write("caf\xe9\x1b[31m/x.txt", "");
  const std::string name = DataFolder(temp_.path()).names("")[1];
  EXPECT_EQ(name, "caf\xe9\x1b[31m");
  EXPECT_THAT(fault_of([&] { check_relative_path("a\x1b[31m", "list.txt:3"); }),
              AllOf(HasSubstr("list.txt:3"), HasSubstr("\\x1b")));
}

}  // namespace
}  // namespace ktrain
