// Who is who among the pairs of an index: what keeps a loss from calling two pictures of the same
// scene different.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/pair_index.h"

namespace ktrain {

struct PairIdentity {
  std::int32_t group =
      -1;  // videos and scenes, numbered as they appear; a pair without one is alone
  std::int32_t frame = -1;  // the number at the end of the id, its last nine digits; -1 without one
};

// The number at the end of "set00/V000/I00019"; -1 without one, or with more than 15 digits.
[[nodiscard]] std::int64_t frame_number(const std::string& id);

// One for each pair of the index.
[[nodiscard]] std::vector<PairIdentity> pair_identities(const PairIndex& index);

}  // namespace ktrain
