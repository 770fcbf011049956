// The plans of a recovery, resolved, with the folders of their runs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "train/folder_lock.h"
#include "train/plan_load.h"
#include "train/recovery/recovery_file.h"

namespace ktrain {

struct LoadedPlan {
  const RecoveryPlan* entry = nullptr;
  ResolvedPlan resolved;
  std::string folder;                        // of its run
  const LoadedPlan* prerequisite = nullptr;  // the one that its init.plan names
  // Of its data as it is now, once read_data has been called.
  std::string train_hash = {}, val_hash = {};
  std::int64_t train_pairs = 0, train_positive = 0, train_empty = 0;  // pairs, boxes, pairs
};

// By name. Addresses stay.
using LoadedPlans = std::map<std::string, LoadedPlan, std::less<>>;

// The folder of a recovery: <runs>/<name>.
[[nodiscard]] std::string recovery_folder(const Recovery& recovery, const std::string& runs);

// Loads every plan with its own `set` and those of the command line: "key=value" for all plans,
// "NAME:key=value" for one. Then checks what needs plans: a prerequisite must be one of the
// recovery's and carried out before (RecoveryPlan::after is filled in), every plan must choose its
// best checkpoint by the recovery's metric, a sweep's checkpoints must be kept, and no two plans
// may share a run folder. Throws Fault KT-CFG-*.
[[nodiscard]] LoadedPlans load_plans(Recovery& recovery, const std::vector<std::string>& overrides,
                                     const std::string& runs);

// Reads every data set, the built-in ones being made, so that what is wrong with a later plan's
// data is not found after hours of an earlier one. Fills in the hashes. Throws Fault.
void read_data(LoadedPlans& plans, const Notice& notice);

}  // namespace ktrain
