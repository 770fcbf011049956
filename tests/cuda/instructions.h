// What single instructions give, for the comparison of a GPU with its emulation:
// `dump_instructions` writes it on a GPU, a test holds the emulation against the files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/queue.h"

namespace ktrain::test {

struct Words {
  std::vector<std::uint32_t> values;
  // How far two devices may be apart in each word, read as floats; empty: the bits are equal, but
  // for which NaN a NaN is.
  std::vector<double> bounds = {};
};

struct InstructionCase {
  std::string name;  // of its file, without ".txt"
  std::function<Words(CudaStream)> run;
};

// Inputs are functions of nothing, so that a file holds outputs alone.
[[nodiscard]] const std::vector<InstructionCase>& instruction_cases();

// Writes folder/name.txt: a comment with `device`, then words in hexadecimal, eight a line.
// std::runtime_error where it cannot.
void write_words(const std::string& folder, const std::string& name, const std::string& device,
                 const std::vector<std::uint32_t>& values);
// std::runtime_error for a file that is not there or not of this kind.
[[nodiscard]] std::vector<std::uint32_t> read_words(const std::string& path);
// "" where `stored` is what `mine` may be, else the first difference.
[[nodiscard]] std::string difference(const Words& mine, const std::vector<std::uint32_t>& stored);

}  // namespace ktrain::test
