// `ktrain explain`: what a message id, an exit code or a key of a plan means. Works offline.
#pragma once

#include <string>
#include <string_view>

#include "runtime/fault.h"

namespace ktrain {

// "PREEMPTED"
[[nodiscard]] std::string_view exit_name(Exit code);

// `topic`: a message id (KT-CFG-001), "exit" for all codes, "messages" for all ids, "plan" for
// every key, or part of a key's name. Throws Fault KT-CLI-002 for anything else.
[[nodiscard]] std::string explain(std::string_view topic);

}  // namespace ktrain
