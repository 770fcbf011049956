// Checkpoints of one run on the validation list of another plan.
#pragma once

#include "train/console.h"
#include "train/recovery/judge.h"
#include "train/recovery/recovery_plans.h"
#include "train/run_folder.h"
#include "train/stop_signals.h"

namespace ktrain {

// Evaluates epochs first to last and writes each as sweep/<node>/epoch_NN/ and as a line of
// sweep/<node>/validations.jsonl in the recovery's folder. What stands there already, of the same
// checkpoint and data, is not done again. None when a signal came. KT-REC-002 when a checkpoint is
// missing.
[[nodiscard]] std::optional<Subject> sweep_checkpoints(const RecoveryNode& node,
                                                       const LoadedPlans& plans,
                                                       const Recovery& recovery, RunFolder& folder,
                                                       Console& console,
                                                       const StopSignals& signals);

}  // namespace ktrain
