// `ktrain drift`: how far one checkpoint's representations are from another's.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace ktrain {

struct DriftOptions {
  std::string subject;                 // a run folder, or a checkpoint in one
  std::string take = "best";           // of a run folder: best, last, epoch_N
  std::string reference;               // a checkpoint of the same architecture
  std::vector<std::string> overrides;  // key=value in place of the run's own
  bool json = false;                   // the records of monitor.jsonl instead of tables
};

// On the anchors of the run's validation list, with the plain weights of both (not their average).
// Returns 0. Throws Fault: KT-CKPT-005 a file is missing, KT-CKPT-006 it does not fit the model of
// the run, KT-CLI-001 a checkpoint outside a run folder.
int run_drift(const DriftOptions& options, std::ostream& out);

}  // namespace ktrain
