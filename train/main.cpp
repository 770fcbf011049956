#include <cstdlib>
#include <iostream>

#include <unistd.h>

#include "train/cli.h"

namespace {

// libgomp lets a thread that waits for others spin for 300,000 turns. Where other programs want the
// cores too, that takes the core from the very thread that is waited for: a step then lasts several
// times as long as it must (docs/performance.md). 2000 turns bridge the gap from loop to loop.
// libgomp reads its environment while it is loaded, so the program starts itself once more; where
// that is impossible it runs as it is.
void limit_spinning(char** argv) {
  constexpr auto kVariable = "GOMP_SPINCOUNT";
  if (std::getenv(kVariable) != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (setenv(kVariable, "2000", /*replace=*/0) == 0) execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  limit_spinning(argv);
  return ktrain::run({argv + 1, argv + argc}, std::cout, std::cerr);
}
