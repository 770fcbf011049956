// Where the weights of a run start: chance, a file, or another plan's checkpoint.
#pragma once

#include <string>

#include "train/file_system.h"
#include "train/folder_lock.h"
#include "train/plan_load.h"
#include "train/training_step.h"

namespace ktrain {

// The plan's name with the folders between `configs` and it: "stage1", "llvip/stage1".
[[nodiscard]] std::string run_name(const ResolvedPlan& resolved);

// The folder of a plan's run: output.dir, or `runs`/<run_name>.
[[nodiscard]] std::string run_folder_of(const ResolvedPlan& resolved, const std::string& runs);

// Loads what init.plan or init.checkpoint names and returns one line that says where the weights
// come from, with counts of matched, missing, unexpected and mismatched tensors and the file's
// hash. Tensors of the plan's auxiliary losses may be missing, those of others left over; the line
// counts them. `prerequisite` is the resolved init.plan, whose run must be there (KT-CKPT-005) and
// must have been made by that plan (KT-CKPT-002); nullptr when there is none.
std::string load_initial_weights(FileSystem& files, const ResolvedPlan& resolved,
                                 const ResolvedPlan* prerequisite, const std::string& runs,
                                 TrainingStep& training, const Notice& notice);

}  // namespace ktrain
