// Whether the weights of the plan are the weights that train: measured on the function that forms
// the total, not read from where they are written down.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "train/objective.h"
#include "train/schedule.h"

namespace ktrain {

using TotalFunction = std::function<Tensor(const std::vector<LossTerm>&)>;

struct WeightAudit {
  std::vector<std::string> names;
  std::vector<double> configured, applied;  // in the order of the names
};

// applied_k = (total(.., L_k + delta, ..) - total(.., L_k, ..)) / delta, for every term, the values
// without history. delta is a thousandth of L_k, or more where the total's rounding would drown it:
// the total is linear in its terms, so the quotient does not depend on it. Throws Fault KT-NUM-007
// when a weight is off by more than 1 % of LossTerm::weight, when that is another than the
// configured one although nothing in the plan says so (`as_plan` false: compat.weights does, and
// the audit shows it), or when `form` gives another total than `trained`, the scalar that backward
// started from. `step` counts from 1. Reads values back; not while planning.
[[nodiscard]] WeightAudit audit_weights(const std::vector<LossTerm>& terms,
                                        const TotalFunction& form, double trained,
                                        std::int64_t step, bool as_plan = true);
// The same without a judgement.
[[nodiscard]] WeightAudit measure_weights(const std::vector<LossTerm>& terms,
                                          const TotalFunction& form);

// Whether the weights are audited in `step` (from 0): the first one, the first of each epoch, and
// where a schedule passes one of its points.
[[nodiscard]] bool audit_due(const std::vector<WeightSchedule>& schedules, const Timeline& timeline,
                             std::int64_t step);

// Its line in monitor.jsonl: {"kind":"audit","step","epoch","configured":{..},"applied":{..}}.
[[nodiscard]] std::string audit_line(const WeightAudit& audit, std::int64_t step,
                                     std::int64_t epoch);

}  // namespace ktrain
