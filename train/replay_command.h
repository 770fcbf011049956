// `ktrain replay RUN --remedy NAME`: what a remedy would have made of the gradients that a run's
// probes recorded, without training again.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace ktrain {

struct ReplayCommand {
  std::string run;
  std::string remedy;
  std::string metric = "raw";    // or "preconditioned"
  std::vector<std::string> cut;  // groups for --remedy cut
  double cut_scale = 0;
  std::uint64_t seed = 0;
  bool json = false;
};

// Returns 0. Throws Fault: KT-DATA-060, -061, -062 for the log, KT-CLI-001 for options.
int run_replay(const ReplayCommand& command, std::ostream& out);

}  // namespace ktrain
