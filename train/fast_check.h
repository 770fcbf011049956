// `--fast-check`: whether a plan will get through a whole run, tried in seconds.
#pragma once

#include <string>

#include "train/console.h"
#include "train/plan_load.h"

namespace ktrain {

// Loads init.checkpoint when the plan has one, trains two batches, detects on one validation batch,
// saves in `folder`, reloads into a second detector and compares: every weight, optimizer state and
// detection must be the same to the bit. The folder is new and is removed at the end. Returns 0;
// throws Fault, KT-BUG-003 when something differs.
int fast_check(const ResolvedPlan& resolved, const std::string& folder, Console& console);

}  // namespace ktrain
