// A plan in words: the resolved echo, its canonical form, the reference, the difference of two.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "train/plan_load.h"

namespace ktrain {

// run.cfg: every key with its value and where it was set, as TOML that reads back to the same plan.
[[nodiscard]] std::string resolved_text(const ResolvedPlan& resolved);

// One `key = value` line for every key, in order: what checkpoints keep and what is hashed. Reads
// back to the same plan; equal plans have equal text.
[[nodiscard]] std::string canonical_text(const Plan& plan);

struct PlanDifference {
  std::string key, left, right;  // values as TOML
  bool may_change;               // the results of a run do not depend on it
};
[[nodiscard]] std::vector<PlanDifference> diff_plans(const Plan& left, const Plan& right);

// docs/plan_reference.md.
[[nodiscard]] std::string reference_markdown();
// Every key that contains `filter`, for a terminal; "" when there is none.
[[nodiscard]] std::string reference_text(std::string_view filter = "");

}  // namespace ktrain
