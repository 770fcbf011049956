// Limits on the text of a plan, checked before the TOML parser sees it: the parser builds tables as
// deep as a hostile text asks for and takes them down by recursion.
#pragma once

#include <string>
#include <string_view>

namespace ktrain {

inline constexpr std::size_t kMostPlanBytes = 256 * 1024;
inline constexpr int kMostPlanNesting = 16;  // brackets in brackets, and dots in a key

// Throws Fault KT-CFG-007 with file:line:column. Text that is not TOML passes: the parser says why.
void scan_plan(std::string_view text, const std::string& file);

}  // namespace ktrain
