// kernel_budget TABLE FILE LOG [ARCHITECTURE=PTX ...]: holds what the kernels of FILE.cu use, by
// LOG (nvcc's output with -Xptxas -v, or cuobjdump's with --dump-resource-usage), against TABLE.
// Ends with 1 when a kernel is over its budget or has none, 2 when something cannot be read.
#include <cstdio>
#include <exception>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/cuda/budget/budget_table.h"

namespace {

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 4) throw std::runtime_error("usage: kernel_budget TABLE FILE LOG [ARCH=PTX ...]");
  const ktrain::BudgetTable table = ktrain::parse_budget(read(argv[1]));
  const std::string log = read(argv[3]);
  std::vector<ktrain::KernelUse> uses = ktrain::parse_ptxas(log);
  if (uses.empty()) uses = ktrain::parse_cuobjdump(log);
  std::map<std::string, std::map<std::string, ktrain::PtxEntry>> ptx;
  for (int i = 4; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::size_t equal = argument.find('=');
    if (equal == std::string::npos) throw std::runtime_error("wanted ARCH=PTX: " + argument);
    ptx[argument.substr(0, equal)] = ktrain::parse_ptx(read(argument.substr(equal + 1)));
  }
  const ktrain::Verdict verdict =
      ktrain::judge(table, argv[2], uses, ptx, ktrain::parse_losses(log));
  for (const std::string& line : verdict.report) std::printf("%s\n", line.c_str());
  for (const std::string& fault : verdict.faults) std::printf("OVER BUDGET: %s\n", fault.c_str());
  return verdict.faults.empty() ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "kernel_budget: %s\n", error.what());
  return 2;
}
