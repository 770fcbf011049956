// What single instructions give, for the comparison of a GPU with its emulation:
// `dump_instructions` writes it on a GPU, a test holds the emulation against the files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/gpu.h"
#include "kernels/queue.h"

namespace ktrain::test {

struct Words {
  std::vector<std::uint32_t> values = {};
  // How far two devices may be apart in each word, read as floats; empty: the bits are equal, but
  // for which NaN a NaN is.
  std::vector<double> bounds = {};
  bool floats = true;  // else bits, of which none stands for a NaN
  // What a word is, where its number does not say it: "thread 3, sum 5".
  std::function<std::string(std::size_t)> place = {};
};

struct InstructionCase {
  std::string name;  // of its file, without ".txt"
  std::function<Words(CudaStream)> run;
  bool hopper = false;  // only GPUs of 9.0 have it, and programs with kernels for sm_90a
};

// Inputs are functions of nothing, so that a file holds outputs alone.
[[nodiscard]] const std::vector<InstructionCase>& instruction_cases();
[[nodiscard]] std::vector<InstructionCase> warpgroup_cases();  // those of Hopper among them

// Why this GPU, with this program, cannot give the case, or "".
[[nodiscard]] std::string reason_to_leave_out(const InstructionCase& instruction, const Gpu& gpu);

// What dump_cases() wrote, and "name: reason" of what it did not.
struct Dump {
  int written = 0;
  std::vector<std::string> left_out;
};
// Writes folder/name.txt for every case that `gpu` can give, and left_out.txt with the others,
// whose files of an earlier dump it removes.
Dump dump_cases(CudaStream stream, const Gpu& gpu, const std::string& folder);

struct Comparison {
  int compared = 0;
  std::vector<std::string> left_out;     // "name: reason": as left_out.txt has it, or of `gpu`
  std::vector<std::string> differences;  // "name: word 7 (thread 0, sum 7): ..."
};
// Every case as it is here, on `gpu`, against a folder that dump_cases() filled. A case without a
// file that left_out.txt does not name is a difference, and so is a file without a case.
[[nodiscard]] Comparison compare_cases(CudaStream stream, const Gpu& gpu,
                                       const std::string& folder);

// Writes folder/name.txt: a comment with `device`, then words in hexadecimal, eight a line.
// std::runtime_error where it cannot.
void write_words(const std::string& folder, const std::string& name, const std::string& device,
                 const std::vector<std::uint32_t>& values);
// std::runtime_error for a file that is not there or not of this kind.
[[nodiscard]] std::vector<std::uint32_t> read_words(const std::string& path);
// "" where `stored` is what `mine` may be, else the first difference.
[[nodiscard]] std::string difference(const Words& mine, const std::vector<std::uint32_t>& stored);

}  // namespace ktrain::test
