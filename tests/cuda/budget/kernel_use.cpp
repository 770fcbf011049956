#include "tests/cuda/budget/kernel_use.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <regex>

#include <cxxabi.h>

namespace ktrain {
namespace {

template <class Visit>
void for_lines(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    visit(std::string(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::optional<std::smatch> find(const std::string& line, const std::regex& what) {
  std::smatch match;
  if (!std::regex_search(line, match, what)) return {};
  return match;
}

int number(const std::smatch& match, std::size_t group) { return std::stoi(match[group].str()); }

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// Where the first `wanted` stands that no <...> or (...) encloses, but "(anonymous namespace)" is a
// name; npos if none does.
std::size_t find_outside(const std::string& text, char wanted) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (depth == 0 && text[i] == wanted) return i;
    if (text[i] == '<' || text[i] == '(') ++depth;
    if (text[i] == '>' || text[i] == ')') --depth;
  }
  return std::string::npos;
}

}  // namespace

std::vector<KernelUse> parse_ptxas(std::string_view text) {
  static const std::regex entry("Compiling entry function '([^']+)' for 'sm_([0-9a-z]+)'");
  static const std::regex frame(
      "([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads");
  static const std::regex properties("Function properties for (\\S+)");
  static const std::regex used("Used ([0-9]+) registers");
  static const std::regex shared("([0-9]+) bytes smem");
  std::vector<KernelUse> uses;
  for_lines(text, [&](const std::string& line) {
    if (const auto e = find(line, entry)) {
      uses.push_back({.symbol = (*e)[1].str(), .architecture = (*e)[2].str()});
    } else if (uses.empty() || find(line, properties)) {
      return;
    } else if (const auto f = find(line, frame)) {
      uses.back().stack += number(*f, 1);
      uses.back().spills += number(*f, 2) + number(*f, 3);
    } else if (const auto u = find(line, used)) {
      uses.back().registers = number(*u, 1);
      if (const auto s = find(line, shared)) uses.back().shared = number(*s, 1);
    }
  });
  return uses;
}

std::vector<std::string> parse_losses(std::string_view text) {
  static const std::regex loss("(?:\\(C[0-9]+\\) )?Potential Performance Loss:.*");
  static const std::regex symbol("'([^']+)'");
  std::vector<std::string> losses;
  for_lines(text, [&](const std::string& line) {
    const auto l = find(line, loss);
    if (!l) return;
    std::string what = (*l)[0].str();
    if (const auto s = find(what, symbol))
      what.replace(static_cast<std::size_t>(s->position(1)), static_cast<std::size_t>(s->length(1)),
                   kernel_name((*s)[1].str()));
    losses.push_back(std::move(what));
  });
  return losses;
}

std::vector<KernelUse> parse_cuobjdump(std::string_view text) {
  static const std::regex architecture("^\\s*arch = sm_([0-9a-z]+)");
  static const std::regex function("^\\s*Function (\\S+):");
  static const std::regex resources("REG:([0-9]+) STACK:([0-9]+) SHARED:([0-9]+) LOCAL:([0-9]+)");
  std::vector<KernelUse> uses;
  std::string arch, symbol;
  for_lines(text, [&](const std::string& line) {
    if (const auto a = find(line, architecture)) arch = (*a)[1].str();
    if (const auto f = find(line, function)) symbol = (*f)[1].str();
    const auto r = find(line, resources);
    if (!r || symbol.empty()) return;
    uses.push_back({symbol, arch, number(*r, 1), number(*r, 3), number(*r, 2) + number(*r, 4), 0});
    symbol.clear();
  });
  return uses;
}

std::string kernel_name(const std::string& symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), std::free);
  if (status != 0) return symbol;
  std::string name = demangled.get();
  for (const char* space : {"(anonymous namespace)::", "ktrain::cuda::", "ktrain::"})
    replace_all(name, space, "");
  name.resize(std::min(name.size(), find_outside(name, '(')));
  const std::size_t result = find_outside(name, ' ');  // only templates carry their result's type
  return result == std::string::npos ? name : name.substr(result + 1);
}

std::map<std::string, PtxEntry> parse_ptx(std::string_view text) {
  static const std::regex entry("\\.entry ([A-Za-z0-9_$]+)");
  static const std::regex threads("\\.maxntid ([0-9]+)(?:, *([0-9]+))?(?:, *([0-9]+))?");
  std::map<std::string, PtxEntry> entries;
  PtxEntry* current = nullptr;
  for_lines(text, [&](const std::string& line) {
    if (const auto e = find(line, entry)) current = &entries[(*e)[1].str()];
    if (!current) return;
    current->body += line + '\n';
    if (const auto t = find(line, threads)) {
      current->threads = number(*t, 1);
      for (const std::size_t group : {2U, 3U})
        if ((*t)[group].matched) current->threads *= number(*t, group);
    }
    if (line == "}") current = nullptr;
  });
  return entries;
}

namespace {

// What a multiprocessor holds (CUDA C++ Programming Guide, "Technical Specifications per Compute
// Capability").
struct Multiprocessor {
  int threads, blocks, shared;
};

Multiprocessor multiprocessor(std::string_view architecture) {
  if (architecture == "75") return {1024, 16, 64 << 10};
  if (architecture == "80") return {2048, 32, 164 << 10};
  if (architecture == "86") return {1536, 16, 100 << 10};
  if (architecture == "87") return {1536, 16, 164 << 10};
  if (architecture == "89") return {1536, 24, 100 << 10};
  if (architecture.substr(0, 2) == "12") return {1536, 32, 100 << 10};
  return {2048, 32, 228 << 10};
}

}  // namespace

int threads_limit(std::string_view architecture) { return multiprocessor(architecture).threads; }

int resident_threads(const KernelUse& use, int threads) {
  if (threads <= 0) return 0;
  // Registers are handed to warps in units of 256; of shared memory the system keeps 1 KiB a block.
  constexpr int kFile = 65536, kUnit = 256, kWarp = 32, kKept = 1024;
  const Multiprocessor limit = multiprocessor(use.architecture);
  const int warps = (threads + kWarp - 1) / kWarp;
  const int per_warp = (std::max(use.registers, 1) * kWarp + kUnit - 1) / kUnit * kUnit;
  int blocks = std::min({kFile / (per_warp * warps), limit.blocks, limit.threads / threads});
  if (use.shared > 0) blocks = std::min(blocks, limit.shared / (use.shared + kKept));
  return blocks * threads;
}

}  // namespace ktrain
