// Which losses beside the detector's own a plan switches on.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "train/plan.h"

namespace ktrain {

// It has a weight at some time.
[[nodiscard]] inline bool is_trained(const AuxiliaryTermPlan& term) {
  const auto& values = term.weight.value;
  return std::any_of(values.begin(), values.end(), [](double value) { return value != 0; });
}

// So, or it is measured.
[[nodiscard]] inline bool is_enabled(const AuxiliaryTermPlan& term) {
  return term.measure || is_trained(term);
}

// In the order in which terms are reported; points into `loss`.
[[nodiscard]] inline std::vector<std::pair<std::string, const AuxiliaryTermPlan*>>
enabled_auxiliary(const LossPlan& loss) {
  std::vector<std::pair<std::string, const AuxiliaryTermPlan*>> terms;
  if (is_enabled(loss.macl)) terms.emplace_back("macl", &loss.macl);
  if (is_enabled(loss.dhn)) terms.emplace_back("dhn", &loss.dhn);
  if (is_enabled(loss.domain)) terms.emplace_back("domain", &loss.domain);
  return terms;
}

}  // namespace ktrain
