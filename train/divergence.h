// Runs that failed by their own numbers: a result, where every other failure is a mistake.
#pragma once

#include <string>
#include <string_view>

namespace ktrain {

// A loss, a gradient or a weight that is not finite (KT-NUM-001, -003, -020, -021): training has
// diverged. The other KT-NUM-* say that a plan does not do what it says, and are no result.
[[nodiscard]] bool is_divergence(std::string_view id);

// "" unless STATUS in the run's folder says that the run has diverged: the message.
[[nodiscard]] std::string divergence_of(const std::string& folder);

}  // namespace ktrain
