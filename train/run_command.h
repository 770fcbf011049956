// `ktrain PLAN.cfg`: a plan and, before it, the prerequisites that it names.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace ktrain {

struct RunCommand {
  std::string plan;                    // the file
  std::vector<std::string> overrides;  // key=value
  std::string runs = "runs";           // the folder of run folders
  bool resume = false;                 // there must be a run to go on with
  bool fresh = false;                  // an older run of this plan is moved out of the way
  bool dry_run = false;                // resolve, check the data, print; no training
  bool fast_check = false;             // two batches, one validation batch, save, reload, compare
  bool quiet = false, json = false;
};

// Returns the exit code: 0, 75 or 130. Throws Fault.
int run_plan(const RunCommand& command, std::ostream& out);

}  // namespace ktrain
