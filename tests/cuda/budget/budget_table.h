// The budget of every CUDA kernel: registers and shared memory that it may use, and why.
//
// A text file, one kernel a line, '#' begins a comment:
//   <file> <kernel> <registers> <shared bytes> <why>
//   needs <file> <kernel> <architecture> <text that must stand in its PTX>
// The kernel's name may hold '*' for any characters; without '<' it stands for all instantiations;
// the first line of a file that fits counts. Registers: "40", or "40/75:48/90a:56" where an
// architecture differs. No kernel may spill, use local memory or have its wgmma serialized,
// whatever its line says.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cuda/budget/kernel_use.h"

namespace ktrain {

struct BudgetLine {
  int line = 0;  // in the table's file
  std::string file, kernel;
  int registers = 0;
  std::map<std::string, int> by_architecture;  // registers where they differ
  int shared = 0;
  std::string why;

  [[nodiscard]] bool fits(const std::string& kernel_name) const;
  [[nodiscard]] int registers_for(const std::string& architecture) const;
};

struct NeedLine {
  int line = 0;
  std::string file, kernel, architecture, text;
};

struct BudgetTable {
  std::vector<BudgetLine> lines;
  std::vector<NeedLine> needs;
};

// Throws std::runtime_error with the line's number for a line that it does not understand.
[[nodiscard]] BudgetTable parse_budget(std::string_view text);

struct Verdict {
  std::vector<std::string> report;  // a line per kernel and architecture
  std::vector<std::string> faults;  // empty: within budget
};

// Holds what the kernels of `file` use against the table. `ptx`: by architecture, may be empty;
// then the report has no occupancy, and a need of that architecture is a fault. A line of the table
// for this file that no kernel fits is a fault, too, and so is each of `losses` (parse_losses).
[[nodiscard]] Verdict judge(const BudgetTable& table, const std::string& file,
                            const std::vector<KernelUse>& uses,
                            const std::map<std::string, std::map<std::string, PtxEntry>>& ptx,
                            const std::vector<std::string>& losses = {});

}  // namespace ktrain
