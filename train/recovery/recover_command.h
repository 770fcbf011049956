// `ktrain recover`: a whole tree of plans and decisions as one command.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "train/recovery/recovery_plans.h"

namespace ktrain {

struct RecoverCommand {
  std::string file;                    // the recovery file
  std::vector<std::string> overrides;  // key=value for all plans, NAME:key=value for one
  std::string runs = "runs";           // the folder of run folders
  bool fresh = false;                  // older folders, the runs' too, are moved out of the way
  bool dry_run = false;                // print the tree; train nothing
  bool quiet = false, json = false;
};

// Returns the exit code: 0, 75 or 130. Throws Fault.
int run_recover(const RecoverCommand& command, std::ostream& out);

// The whole tree: plans with the settings in which they differ, levels, nodes, hypotheses.
[[nodiscard]] std::string recovery_text(const Recovery& recovery, const LoadedPlans& plans);

}  // namespace ktrain
