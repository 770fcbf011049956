// What a plan's [data] group means to the readers of data/.
#pragma once

#include <string_view>

#include "data/pair_index.h"
#include "train/plan.h"

namespace ktrain {

// The list "train", "val" or "test" of a plan; the preset's own where the plan names none.
// skip_empty holds for "train" alone: every pair is evaluated. Throws Fault KT-DATA-030 when
// neither plan nor preset names the list.
[[nodiscard]] PairSource pair_source(const DataPlan& data, std::string_view role);

}  // namespace ktrain
