// What two or more keys of a plan must agree on.
#pragma once

#include <string_view>

#include "train/plan_load.h"

namespace ktrain {

// Throws Fault KT-CFG-008 that names the keys, where they were set, and what would do.
void check_plan(const ResolvedPlan& resolved);

// Whether a smaller value of a validation metric is the better one.
[[nodiscard]] bool lower_is_better(std::string_view metric);

// The n of "epoch_n", or 0 for any other text.
[[nodiscard]] std::int64_t epoch_to_take(std::string_view take);

}  // namespace ktrain
