// The time as logs and records write it.
#pragma once

#include <ctime>
#include <string>

namespace ktrain {

// UTC to the second, ISO 8601: "2025-11-11T17:00:05Z".
[[nodiscard]] std::string utc_text(std::time_t time);
[[nodiscard]] inline std::string utc_now() { return utc_text(std::time(nullptr)); }

}  // namespace ktrain
