// The plan's alignment losses and compatibility switches: what they mean, and which combinations
// make no sense.
#pragma once

#include <string_view>
#include <vector>

#include "models/auxiliary/dhn.h"
#include "models/auxiliary/domain.h"
#include "train/plan_load.h"

namespace ktrain {

// Throws Fault KT-CFG-008 with the key and its place.
void check_alignment(const ResolvedPlan& resolved);

[[nodiscard]] DhnOptions dhn_options(const Plan& plan);
[[nodiscard]] DomainOptions domain_options(const Plan& plan);

// The weight that a term really gets where the plan configures `weight`: that weight, unless
// compat.weights says otherwise.
[[nodiscard]] double applied_weight(const CompatPlan& compat, std::string_view term, double weight);
// "compat.weights = ignored: auxiliary terms enter with weight 2 ..."; "" when weights are applied.
[[nodiscard]] std::string_view weights_notice(const CompatPlan& compat);

}  // namespace ktrain
