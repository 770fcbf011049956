#include "tests/cuda/budget/budget_table.h"

#include <set>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

namespace ktrain {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() != '*')
    return !text.empty() && pattern.front() == text.front() &&
           matches(pattern.substr(1), text.substr(1));
  return matches(pattern.substr(1), text) || (!text.empty() && matches(pattern, text.substr(1)));
}

bool pattern_fits(const std::string& pattern, std::string name) {
  if (pattern.find('<') == std::string::npos) name.resize(std::min(name.size(), name.find('<')));
  std::erase(name, ' ');  // a table's columns are cut at spaces
  return matches(pattern, name);
}

std::string rest_of(std::istringstream& in) {
  std::string rest;
  std::getline(in >> std::ws, rest);
  return rest;
}

[[noreturn]] void refuse(int line, const std::string& what) {
  throw std::runtime_error(fmt::format("budget table, line {}: {}", line, what));
}

int positive(int line, const std::string& text) {
  std::size_t used = 0;
  int value = -1;
  try {
    value = std::stoi(text, &used);
  } catch (const std::logic_error&) {
    refuse(line, fmt::format("'{}' is no number", text));
  }
  if (used != text.size() || value < 0) refuse(line, fmt::format("'{}' is no number", text));
  return value;
}

void read_registers(BudgetLine& budget, const std::string& text) {
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, '/');) {
    const std::size_t colon = part.find(':');
    if (colon == std::string::npos)
      budget.registers = positive(budget.line, part);
    else
      budget.by_architecture[part.substr(0, colon)] = positive(budget.line, part.substr(colon + 1));
  }
  if (budget.registers == 0) refuse(budget.line, "no registers for the other architectures");
}

}  // namespace

bool BudgetLine::fits(const std::string& kernel_name) const {
  return pattern_fits(kernel, kernel_name);
}

int BudgetLine::registers_for(const std::string& architecture) const {
  const auto found = by_architecture.find(architecture);
  return found == by_architecture.end() ? registers : found->second;
}

BudgetTable parse_budget(std::string_view text) {
  BudgetTable table;
  std::istringstream lines{std::string(text)};
  int at = 0;
  for (std::string line; std::getline(lines, line);) {
    ++at;
    std::istringstream in(line);
    std::string first;
    if (!(in >> first) || first[0] == '#') continue;
    if (first == "needs") {
      NeedLine need{.line = at, .file = {}, .kernel = {}, .architecture = {}, .text = {}};
      in >> need.file >> need.kernel >> need.architecture;
      need.text = rest_of(in);
      if (need.text.empty()) refuse(at, "wanted: needs <file> <kernel> <architecture> <text>");
      table.needs.push_back(std::move(need));
      continue;
    }
    BudgetLine budget;
    budget.line = at;
    budget.file = first;
    std::string registers, shared;
    in >> budget.kernel >> registers >> shared;
    budget.why = rest_of(in);
    if (budget.why.empty()) refuse(at, "wanted: <file> <kernel> <registers> <shared bytes> <why>");
    read_registers(budget, registers);
    budget.shared = positive(at, shared);
    table.lines.push_back(std::move(budget));
  }
  return table;
}

namespace {

// The most registers with which as many blocks of `threads` fit as do now; its own without them.
int rounded_registers(const KernelUse& use, int threads) {
  KernelUse more = use;
  while (threads > 0 && more.registers < 255) {
    ++more.registers;
    if (resident_threads(more, threads) < resident_threads(use, threads)) break;
  }
  return threads > 0 && more.registers < 255 ? more.registers - 1 : use.registers;
}

std::string proposed_line(const std::string& file, std::string name, const KernelUse& use,
                          int threads) {
  name.resize(std::min(name.size(), name.find('<')));
  return fmt::format("{} {} {} {} {} x {}: WHY", file, name, rounded_registers(use, threads),
                     use.shared, threads > 0 ? resident_threads(use, threads) / threads : 0,
                     threads);
}

struct Judge {
  const std::string& file;
  Verdict verdict;

  template <class... Args>
  void fault(fmt::format_string<Args...> text, Args&&... args) {
    verdict.faults.push_back(file + ": " + fmt::format(text, std::forward<Args>(args)...));
  }

  void hold(const KernelUse& use, const std::string& name, const BudgetLine& budget) {
    const int registers = budget.registers_for(use.architecture);
    if (use.registers > registers)
      fault("{} uses {} registers on sm_{}, its budget is {} ({})", name, use.registers,
            use.architecture, registers, budget.why);
    if (use.shared > budget.shared)
      fault("{} uses {} bytes of shared memory on sm_{}, its budget is {} ({})", name, use.shared,
            use.architecture, budget.shared, budget.why);
  }

  void report(const KernelUse& use, const std::string& name, int threads) {
    std::string line = fmt::format("{:16s} sm_{:3s} {:3d} registers {:6d} B shared", file,
                                   use.architecture, use.registers, use.shared);
    if (threads > 0)
      line += fmt::format(" {:4d} threads a block, {:3.0f} % resident", threads,
                          100.0 * resident_threads(use, threads) / threads_limit(use.architecture));
    verdict.report.push_back(line + "  " + name);
  }
};

}  // namespace

Verdict judge(const BudgetTable& table, const std::string& file, const std::vector<KernelUse>& uses,
              const std::map<std::string, std::map<std::string, PtxEntry>>& ptx,
              const std::vector<std::string>& losses) {
  Judge j{file, {}};
  for (const std::string& loss : losses) j.fault("ptxas says: {}", loss);
  std::set<int> used;
  const auto entry = [&](const KernelUse& use) -> const PtxEntry* {
    const auto of_arch = ptx.find(use.architecture);
    if (of_arch == ptx.end()) return nullptr;
    const auto found = of_arch->second.find(use.symbol);
    return found == of_arch->second.end() ? nullptr : &found->second;
  };
  for (const KernelUse& use : uses) {
    const std::string name = kernel_name(use.symbol);
    const PtxEntry* const code = entry(use);
    j.report(use, name, code ? code->threads : 0);
    if (use.spills > 0 || use.stack > 0)
      j.fault("{} spills {} bytes and uses {} bytes of local memory on sm_{}", name, use.spills,
              use.stack, use.architecture);
    const BudgetLine* budget = nullptr;
    for (const BudgetLine& line : table.lines)
      if (!budget && line.file == file && line.fits(name)) budget = &line;
    if (!budget) {
      j.fault("{} has no line in the budget table; on sm_{} it could be: {}", name,
              use.architecture, proposed_line(file, name, use, code ? code->threads : 0));
      continue;
    }
    used.insert(budget->line);
    j.hold(use, name, *budget);
  }
  for (const BudgetLine& line : table.lines)
    if (line.file == file && !used.count(line.line))
      j.fault("line {} of the budget table, {}: no such kernel", line.line, line.kernel);
  for (const NeedLine& need : table.needs) {
    if (need.file != file) continue;
    bool seen = false;
    for (const KernelUse& use : uses) {
      if (use.architecture != need.architecture) continue;
      if (!pattern_fits(need.kernel, kernel_name(use.symbol))) continue;
      const PtxEntry* const code = entry(use);
      seen = true;
      if (!code || code->body.find(need.text) == std::string::npos)
        j.fault("{} has no {} in its PTX for sm_{}", kernel_name(use.symbol), need.text,
                need.architecture);
    }
    bool compiled = false;  // tests of other architectures leave the need to its own
    for (const KernelUse& use : uses) compiled |= use.architecture == need.architecture;
    if (compiled && !seen)
      j.fault("line {} of the budget table, {}: no such kernel", need.line, need.kernel);
  }
  return j.verdict;
}

}  // namespace ktrain
