// `ktrain experiment DESIGN.cfg`: runs a pre-registered design and says what came of it.
#pragma once

#include <ostream>
#include <string>

namespace ktrain {

struct ExperimentOptions {
  std::string design;                      // the file
  std::string runs = "runs";               // the folder of run folders
  std::string out = "docs/experiment.md";  // the report
  bool dry_run = false;                    // what would be run, and how long it would take here
  bool analyse_only = false;               // from the runs that are there
  bool json = false;
};

// Returns 0, or 75 or 130 when a signal came; the same command then goes on. Throws Fault.
int run_experiment(const ExperimentOptions& options, std::ostream& out);

}  // namespace ktrain
