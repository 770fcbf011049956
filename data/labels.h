// What class names mean. Every name that stands in an annotation must have a role: a misspelt one
// would otherwise become background without a word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ktrain {

// Stands in a list for the names that the preset puts there.
inline constexpr std::string_view kOwnLabels = "auto";

struct LabelPolicy {
  std::vector<std::string> positive = {std::string(kOwnLabels)};    // pedestrians
  std::vector<std::string> ignore = {std::string(kOwnLabels)};      // neither them nor background
  std::vector<std::string> background = {std::string(kOwnLabels)};  // known, and not looked for
};

enum class LabelRole : std::uint8_t { kPositive, kIgnore, kBackground, kUnknown };

// `asked` with "auto" replaced by the names of `own`. A name that `asked` writes out in any list
// has that role, whatever `own` says.
[[nodiscard]] LabelPolicy resolve_labels(const LabelPolicy& asked, const LabelPolicy& own);

// Of a resolved policy.
[[nodiscard]] LabelRole role_of(const LabelPolicy& policy, std::string_view label);

}  // namespace ktrain
