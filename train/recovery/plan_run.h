// The run folder of one plan of a recovery: what is there, and what the run came to.
#pragma once

#include <optional>
#include <string>

#include "train/recovery/judge.h"
#include "train/recovery/recovery_plans.h"

namespace ktrain {

struct FoundRun {
  bool complete = false;  // it has come to its end
  std::string failure;    // what ended a run that has failed by its own numbers; "" otherwise
  std::string init;       // what its weights began as; "" when it has no checkpoint yet
};

// What the plan's folder holds; nothing of it is complete or failed without a checkpoint. Faults
// KT-CKPT-001, and -002 when it is the run of another plan or of other data.
[[nodiscard]] FoundRun find_run(const LoadedPlan& plan, const Notice& notice);

// KT-CKPT-002 unless a run that began as `init` began from the checkpoint of `hash`; `from` is what
// that is of.
void check_start(const LoadedPlan& plan, const std::string& init, const std::string& from,
                 const std::string& hash);

// A run that is complete, or has failed. KT-REC-002 when the checkpoint of the best validation is
// not there.
[[nodiscard]] Subject subject_of(const LoadedPlan& plan, const std::string& metric,
                                 const std::string& failure = "");

// Looks at every folder before anything is trained, so that a run of another plan or data, from
// other weights, or without its checkpoint does not come to light after hours. Faults as above.
void check_run_folders(const LoadedPlans& plans, const Recovery& recovery, const Notice& notice);

}  // namespace ktrain
