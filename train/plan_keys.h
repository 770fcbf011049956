// The keys of a plan: the one place that knows their names. Parsing, limits, the resolved echo, the
// reference in docs/, `ktrain explain` and the comparison of two plans all walk this list.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "train/plan.h"

namespace ktrain {

using PlanValue = std::variant<bool*, std::int64_t*, double*, std::string*, Strings*, PlanSize*,
                               std::vector<std::int64_t>*, std::vector<double>*,
                               std::vector<Multiplier>*, WeightSchedule*>;

struct PlanKey {
  std::string_view name;           // "optimizer.lr"
  PlanValue value;                 // where it lives in the plan that was given to plan_keys()
  std::string_view help;           // what it means and its unit, one sentence without a full stop
  double least = 0.0, most = 0.0;  // numbers, and each number of a list or schedule
  std::vector<std::string_view> choices;  // strings; empty: any text
  bool may_change = false;  // a run may be resumed with another value: results stay the same
};

// Valid as long as `plan` lives and stays where it is.
[[nodiscard]] std::vector<PlanKey> plan_keys(Plan& plan);

// "seed", "data", "data.synth": the part before the last dot, "" for a key at the top.
[[nodiscard]] std::string_view key_group(std::string_view name);

// "integer in [1, 4096]", "one of auto, cpu, cuda", "true or false", ...
[[nodiscard]] std::string describe_type(const PlanKey& key);
// The value as TOML, in one line; reading it back gives the same value to the bit.
[[nodiscard]] std::string value_text(const PlanKey& key);

}  // namespace ktrain
