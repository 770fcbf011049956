#include "data/labels.h"

#include <algorithm>

namespace ktrain {
namespace {

using Names = std::vector<std::string>;

bool holds(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

LabelPolicy resolve_labels(const LabelPolicy& asked, const LabelPolicy& own) {
  const auto resolved = [&](const Names& names, const Names& own_names) {
    Names out;
    for (const std::string& name : names)
      if (name != kOwnLabels) out.push_back(name);
    if (out.size() == names.size()) return out;
    for (const std::string& name : own_names)
      if (!holds(asked.positive, name) && !holds(asked.ignore, name) &&
          !holds(asked.background, name))
        out.push_back(name);
    return out;
  };
  return {resolved(asked.positive, own.positive), resolved(asked.ignore, own.ignore),
          resolved(asked.background, own.background)};
}

LabelRole role_of(const LabelPolicy& policy, std::string_view label) {
  if (holds(policy.positive, label)) return LabelRole::kPositive;
  if (holds(policy.ignore, label)) return LabelRole::kIgnore;
  if (holds(policy.background, label)) return LabelRole::kBackground;
  return LabelRole::kUnknown;
}

}  // namespace ktrain
