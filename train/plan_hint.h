// Which key of a plan a user probably meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "train/plan_keys.h"

namespace ktrain {

// "; did you mean 'lr'?" for `name` as it stands in `group` ("" for the top or a full name): a
// sibling, the same name in another group, a key whose description has the words of the name, or
// the nearest full name. Without any, where the list of keys is.
[[nodiscard]] std::string key_hint(std::span<const PlanKey> keys, std::string_view name,
                                   std::string_view group);

}  // namespace ktrain
