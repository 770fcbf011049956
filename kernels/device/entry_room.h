// Memory for the lists that select.cuh sorts. A host header: it compiles without the toolkit.
#pragma once

#include <cstdint>

namespace ktrain {

// Entries that a block sorts in shared memory; longer lists lie in scratch.
inline constexpr int kSharedEntries = 4096;

// Room of a list that holds up to `most` entries: kSharedEntries, or the next power of two.
[[nodiscard]] constexpr std::int64_t entry_room(std::int64_t most) {
  std::int64_t room = kSharedEntries;
  while (room < most) room *= 2;
  return room;
}

// Entries of scratch for `lists` of such lists.
[[nodiscard]] constexpr std::int64_t entry_scratch(std::int64_t lists, std::int64_t most) {
  return most <= kSharedEntries ? 0 : lists * entry_room(most);
}

}  // namespace ktrain
