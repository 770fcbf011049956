// The emulation's instructions against what a GPU gave (tests/cuda/golden), and the comparison
// itself.
#include "tests/cuda/instructions.h"

#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/cuda/warpgroup_inputs.h"
#include "tests/support/cuda.h"
#include "tests/support/wgmma.h"

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

// The GPU that the cases run on. The emulation is taken for one that has all of them.
Gpu gpu_here() {
  if (gpu_architecture() != 0) return *find_gpu().gpu;
  return {.name = "the emulation", .major = 9, .minor = 0, .has_sm90a_code = true};
}

std::vector<test::InstructionCase> cases_here() {
  std::vector<test::InstructionCase> cases;
  for (const test::InstructionCase& instruction : test::instruction_cases())
    if (test::reason_to_leave_out(instruction, gpu_here()).empty()) cases.push_back(instruction);
  return cases;
}

std::string word(const test::Words& words, std::size_t at) {
  return "word " + std::to_string(at) + (words.place ? " (" + words.place(at) + "): " : ": ");
}

TEST(Instructions, AreWhatTheGoldenFilesSay) {
  KT_NEEDS_GPU();
  if (!fs::exists(kGolden))
    GTEST_SKIP() << "no dump of a GPU in tests/cuda/golden yet: scripts/gpu_check.sh makes one, in "
                    "its results/instructions";
  const Stream stream;
  const test::Comparison found = test::compare_cases(stream.get(), gpu_here(), kGolden);
  EXPECT_THAT(found.differences, testing::IsEmpty());
  EXPECT_GT(found.compared, 0);
  for (const std::string& line : found.left_out) std::cout << "not compared: " << line << '\n';
}

TEST(Instructions, HaveNamesOfTheirOwnAndSayTheSameTwice) {
  KT_NEEDS_GPU();
  const Stream stream;
  std::set<std::string> names;
  for (const test::InstructionCase& instruction : test::instruction_cases())
    EXPECT_TRUE(names.insert(instruction.name).second) << instruction.name;
  for (const test::InstructionCase& instruction : cases_here()) {
    const test::Words first = instruction.run(stream.get()), second = instruction.run(stream.get());
    EXPECT_EQ(first.values, second.values) << instruction.name;
    EXPECT_TRUE(first.bounds.empty() || first.bounds.size() == first.values.size());
  }
}

// Whatever an instruction gives, another word in its place is seen: none is let pass by bounds that
// hold anything.
TEST(Instructions, ADifferenceIsSeen) {
  KT_NEEDS_GPU();
  const Stream stream;
  for (const test::InstructionCase& instruction : cases_here()) {
    const test::Words words = instruction.run(stream.get());
    ASSERT_GE(words.values.size(), 32u) << instruction.name;
    EXPECT_EQ(test::difference(words, words.values), "");
    for (std::size_t at : {std::size_t{0}, words.values.size() / 2 + 3}) {
      while (words.values[at] == words.values[at + 1]) ++at;  // zeros outside an array
      std::vector<std::uint32_t> other = words.values;
      std::swap(other[at], other[at + 1]);  // the wrong lane
      EXPECT_THAT(test::difference(words, other), testing::StartsWith(word(words, at)))
          << instruction.name;
    }
    std::vector<std::uint32_t> fewer = words.values;
    fewer.pop_back();
    EXPECT_THAT(test::difference(words, fewer), testing::HasSubstr("stored"));
  }
}

// A pattern of wgmma says who holds which sum, by itself.
TEST(Instructions, APatternNamesRowAndColumn) {
  KT_NEEDS_GPU();
  const Stream stream;
  int patterns = 0;
  for (const test::InstructionCase& instruction : cases_here()) {
    if (instruction.name.find("_pattern") == std::string::npos) continue;
    ++patterns;
    const std::vector<std::uint32_t> sums = instruction.run(stream.get()).values;
    const std::size_t each = sums.size() / 128;
    std::vector<float> want;
    for (int thread = 0; thread < 128; ++thread)
      for (int i = 0; i < static_cast<int>(each); ++i) {
        const test::SumPlace at = test::sum_place(thread, i);
        want.push_back(static_cast<float>(256 * at.row + at.col));
      }
    std::vector<float> got;
    for (const std::uint32_t sum : sums) got.push_back(std::bit_cast<float>(sum));
    EXPECT_EQ(got, want) << instruction.name;
  }
  EXPECT_EQ(patterns, test::can_wgmma() ? 12 : 0);
}

// Another number in the middle of a file: of those with bounds one that these do not hide.
std::size_t damage(const std::string& folder, const test::InstructionCase& instruction,
                   CudaStream stream) {
  const test::Words words = instruction.run(stream);
  std::vector<std::uint32_t> stored = test::read_words(folder + "/" + instruction.name + ".txt");
  std::size_t at = stored.size() / 2;
  const auto hidden = [&] {
    return !words.bounds.empty() &&
           2 * std::abs(std::bit_cast<float>(stored[at])) <= words.bounds[at];
  };
  while (hidden()) ++at;
  stored[at] ^= 0x80000000u;
  test::write_words(folder, instruction.name, "a damaged test", stored);
  return at;
}

// What is dumped here is what is compared here; one number of any case that is another one is told
// by case and place.
TEST(Instructions, ADumpIsComparedAndDamageIsNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const Folder folder;
  const Gpu gpu = gpu_here();
  const std::vector<test::InstructionCase> cases = cases_here();
  const test::Dump dump = test::dump_cases(stream.get(), gpu, folder.text());
  EXPECT_EQ(dump.written, static_cast<int>(cases.size()));
  EXPECT_EQ(dump.written + static_cast<int>(dump.left_out.size()),
            static_cast<int>(test::instruction_cases().size()));
  const test::Comparison same = test::compare_cases(stream.get(), gpu, folder.text());
  EXPECT_EQ(same.compared, dump.written);
  EXPECT_EQ(same.left_out, dump.left_out);
  EXPECT_THAT(same.differences, testing::IsEmpty());

  std::vector<testing::Matcher<std::string>> named;
  for (const test::InstructionCase& instruction : cases) {
    const std::size_t at = damage(folder.text(), instruction, stream.get());
    named.emplace_back(testing::StartsWith(instruction.name + ": word " + std::to_string(at)));
  }
  const test::Comparison other = test::compare_cases(stream.get(), gpu, folder.text());
  EXPECT_THAT(other.differences, testing::ElementsAreArray(named));
}

// What another GPU or program cannot give is left out by name, and missing by chance is not that.
TEST(Instructions, WhatIsLeftOutIsSaid) {
  KT_NEEDS_GPU();
  const Stream stream;
  const Folder folder;
  std::vector<std::string> hopper;
  for (const test::InstructionCase& instruction : test::instruction_cases())
    if (instruction.hopper) hopper.push_back(instruction.name);
  ASSERT_THAT(hopper, testing::IsSupersetOf({"wgmma_256_a_k_b_sides_normal", "tma_bytes"}));
  test::write_words(folder.text(), hopper[0], "an earlier dump", {1});

  const Gpu old{.name = "an A100", .major = 8, .minor = 0, .has_sm90a_code = true};
  const test::Dump dump = test::dump_cases(stream.get(), old, folder.text());
  ASSERT_EQ(dump.left_out.size(), hopper.size());
  EXPECT_EQ(dump.left_out[0],
            hopper[0] + ": GPUs of compute capability 9.0 have it, an A100 is 8.0");
  EXPECT_FALSE(fs::exists(folder.text() + "/" + hopper[0] + ".txt"));
  const Gpu here = gpu_here();
  const test::Comparison found = test::compare_cases(stream.get(), here, folder.text());
  EXPECT_EQ(found.compared, dump.written);
  EXPECT_EQ(found.left_out, dump.left_out);
  EXPECT_THAT(found.differences, testing::IsEmpty());
  const Gpu without{.name = "an H100", .major = 9, .minor = 0, .has_sm90a_code = false};
  EXPECT_EQ(test::reason_to_leave_out(test::instruction_cases().back(), without),
            "this program holds no kernels for sm_90a");

  fs::remove(folder.text() + "/left_out.txt");
  test::write_words(folder.text(), "mma_of_old", "an earlier dump", {1});
  const test::Comparison lost = test::compare_cases(stream.get(), here, folder.text());
  if (test::can_wgmma()) {
    EXPECT_THAT(lost.differences, testing::Contains(testing::AllOf(
                                      testing::StartsWith("tma_bytes: "),
                                      testing::HasSubstr("left_out.txt does not say why"))));
  }
  EXPECT_THAT(lost.differences,
              testing::Contains(testing::HasSubstr("mma_of_old.txt: no case has this name")));
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
