// The emulation's instructions against what a GPU gave (tests/cuda/golden), and the comparison
// itself.
#include "tests/cuda/instructions.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/cuda.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;
const std::string kGolden = KT_SOURCE_DIR "/tests/cuda/golden";

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("ktrain_words_" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string text() const { return path_.string(); }

 private:
  fs::path path_;
};

TEST(Instructions, AreWhatTheGoldenFilesSay) {
  KT_NEEDS_GPU();
  if (!fs::exists(kGolden))
    GTEST_SKIP() << "no dump of a GPU in tests/cuda/golden yet: scripts/gpu_check.sh makes one, in "
                    "its results/instructions";
  const Stream stream;
  for (const test::InstructionCase& instruction : test::instruction_cases())
    EXPECT_EQ(test::difference(instruction.run(stream.get()),
                               test::read_words(kGolden + "/" + instruction.name + ".txt")),
              "")
        << instruction.name;
}

TEST(Instructions, HaveNamesOfTheirOwnAndSayTheSameTwice) {
  KT_NEEDS_GPU();
  const Stream stream;
  const Folder folder;
  std::set<std::string> names;
  for (const test::InstructionCase& instruction : test::instruction_cases()) {
    EXPECT_TRUE(names.insert(instruction.name).second) << instruction.name;
    const test::Words first = instruction.run(stream.get()), second = instruction.run(stream.get());
    EXPECT_EQ(first.values, second.values) << instruction.name;
    EXPECT_TRUE(first.bounds.empty() || first.bounds.size() == first.values.size());
    test::write_words(folder.text(), instruction.name, "a test", first.values);
    EXPECT_EQ(test::read_words(folder.text() + "/" + instruction.name + ".txt"), first.values);
  }
}

// Whatever an instruction gives, another word in its place is seen: none is let pass by bounds that
// hold anything.
TEST(Instructions, ADifferenceIsSeen) {
  KT_NEEDS_GPU();
  const Stream stream;
  for (const test::InstructionCase& instruction : test::instruction_cases()) {
    const test::Words words = instruction.run(stream.get());
    ASSERT_GE(words.values.size(), 32u) << instruction.name;
    EXPECT_EQ(test::difference(words, words.values), "");
    for (const std::size_t at : {std::size_t{0}, words.values.size() / 2 + 3}) {
      std::vector<std::uint32_t> other = words.values;
      std::swap(other[at], other[at + 1]);  // the wrong lane
      EXPECT_THAT(test::difference(words, other),
                  testing::StartsWith("word " + std::to_string(at) + ": "))
          << instruction.name;
    }
    std::vector<std::uint32_t> fewer = words.values;
    fewer.pop_back();
    EXPECT_THAT(test::difference(words, fewer), testing::HasSubstr("stored"));
  }
}

TEST(Instructions, AFileThatHoldsNoWordsIsNamed) {
  EXPECT_THROW((void)test::read_words("/nonexistent.txt"), std::runtime_error);
  const Folder folder;
  const std::string path = folder.text() + "/x.txt";
  for (const char* const text : {"", "00000001\n", "# x\n0001\n", "# x\nzzzzzzzz\n"}) {
    std::ofstream(path) << text;
    EXPECT_THROW((void)test::read_words(path), std::exception) << text;
  }
}

}  // namespace
}  // namespace ktrain
