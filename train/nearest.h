// The name a user probably meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ktrain {

// Insertions, deletions, substitutions and swaps of neighbours between `a` and `b`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The name of the least distance to `word`, or "" when none is closer than a third of its length
// (at least 2 edits are forgiven). Of equals the first wins. Words beyond 200 bytes have none.
[[nodiscard]] std::string_view nearest_name(std::string_view word,
                                            std::span<const std::string_view> names);

// "; did you mean 'lr'?" or "".
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string_view> names);

}  // namespace ktrain
