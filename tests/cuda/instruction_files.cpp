// Words in files: what dump_cases() writes and compare_cases() reads.
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "tests/cuda/instructions.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using Bits = std::vector<std::uint32_t>;

constexpr const char* kLeftOut = "left_out";

std::string path_of(const std::string& folder, const std::string& name) {
  return folder + "/" + name + ".txt";
}

bool nan(std::uint32_t bits) { return std::isnan(std::bit_cast<float>(bits)); }

// Lines of left_out.txt by the case that they name.
std::map<std::string, std::string> read_left_out(const std::string& folder) {
  std::map<std::string, std::string> lines;
  std::ifstream in(path_of(folder, kLeftOut));
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && line[0] != '#') lines[line.substr(0, line.find(':'))] = line;
  return lines;
}

void write_left_out(const std::string& folder, const std::vector<std::string>& lines) {
  const std::string path = path_of(folder, kLeftOut);
  std::ofstream out(path);
  out << "# cases that this GPU and program could not give, and why\n";
  for (const std::string& line : lines) out << line << '\n';
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path);
}

// The first difference of a case from its file, or what is wrong with the file.
std::string difference_from_file(CudaStream stream, const InstructionCase& instruction,
                                 const std::string& path) {
  Bits stored;
  try {
    stored = read_words(path);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return difference(instruction.run(stream), stored);
}

}  // namespace

std::string reason_to_leave_out(const InstructionCase& instruction, const Gpu& gpu) {
  if (!instruction.hopper) return "";
  if (gpu.major != 9 || gpu.minor != 0)
    return fmt::format("GPUs of compute capability 9.0 have it, {} is {}.{}", gpu.name, gpu.major,
                       gpu.minor);
  return gpu.has_sm90a_code ? "" : "this program holds no kernels for sm_90a";
}

Dump dump_cases(CudaStream stream, const Gpu& gpu, const std::string& folder) {
  fs::create_directories(folder);
  Dump dump;
  for (const InstructionCase& instruction : instruction_cases()) {
    const std::string reason = reason_to_leave_out(instruction, gpu);
    if (!reason.empty()) {
      dump.left_out.push_back(instruction.name + ": " + reason);
      fs::remove(path_of(folder, instruction.name));
      continue;
    }
    write_words(folder, instruction.name, gpu.name, instruction.run(stream).values);
    ++dump.written;
  }
  write_left_out(folder, dump.left_out);
  return dump;
}

Comparison compare_cases(CudaStream stream, const Gpu& gpu, const std::string& folder) {
  Comparison result;
  const std::map<std::string, std::string> left_out = read_left_out(folder);
  std::set<std::string> known = {kLeftOut};
  for (const InstructionCase& instruction : instruction_cases()) {
    known.insert(instruction.name);
    const std::string path = path_of(folder, instruction.name);
    const auto line = left_out.find(instruction.name);
    if (!fs::exists(path) && line != left_out.end()) {
      result.left_out.push_back(line->second);
      continue;
    }
    if (const std::string reason = reason_to_leave_out(instruction, gpu); !reason.empty()) {
      result.left_out.push_back(instruction.name + ": " + reason);
      continue;
    }
    const std::string found =
        fs::exists(path) ? difference_from_file(stream, instruction, path)
                         : fmt::format("{} is not there, and left_out.txt does not say why", path);
    if (!found.empty()) result.differences.push_back(instruction.name + ": " + found);
    ++result.compared;
  }
  for (const fs::directory_entry& file : fs::directory_iterator(folder))
    if (file.path().extension() == ".txt" && !known.count(file.path().stem().string()))
      result.differences.push_back(file.path().string() + ": no case has this name");
  return result;
}

void write_words(const std::string& folder, const std::string& name, const std::string& device,
                 const Bits& values) {
  const std::string path = path_of(folder, name);
  std::ofstream out(path);
  out << "# " << name << " on " << device << ", " << values.size() << " words\n";
  for (std::size_t i = 0; i < values.size(); ++i)
    out << fmt::format("{:08x}{}", values[i], i % 8 == 7 || i + 1 == values.size() ? '\n' : ' ');
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path);
}

Bits read_words(const std::string& path) {
  std::ifstream in(path);
  std::string comment, word;
  if (!in || !std::getline(in, comment) || !comment.starts_with("# "))
    throw std::runtime_error(path + ": no file of words, which begins with a comment");
  Bits values;
  while (in >> word) {
    if (word.size() != 8 || word.find_first_not_of("0123456789abcdef") != std::string::npos)
      throw std::runtime_error(path + ": '" + word + "' is no word of 8 digits");
    values.push_back(static_cast<std::uint32_t>(std::stoul(word, nullptr, 16)));
  }
  return values;
}

std::string difference(const Words& mine, const Bits& stored) {
  if (mine.values.size() != stored.size())
    return fmt::format("{} words here, {} stored", mine.values.size(), stored.size());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const std::uint32_t x = mine.values[i], y = stored[i];
    if (x == y || (mine.floats && nan(x) && nan(y))) continue;
    const double apart =
        std::abs(double{std::bit_cast<float>(x)} - double{std::bit_cast<float>(y)});
    if (!mine.bounds.empty() && apart <= mine.bounds[i]) continue;
    return fmt::format("word {}{}: {:08x} ({}) here, {:08x} ({}) stored", i,
                       mine.place ? " (" + mine.place(i) + ")" : "", x, std::bit_cast<float>(x), y,
                       std::bit_cast<float>(y));
  }
  return "";
}

}  // namespace ktrain::test
