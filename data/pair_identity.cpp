#include "data/pair_identity.h"

#include <unordered_map>

namespace ktrain {

std::int64_t frame_number(const std::string& id) {
  std::size_t begin = id.size();
  while (begin > 0 && id[begin - 1] >= '0' && id[begin - 1] <= '9') --begin;
  const std::size_t digits = id.size() - begin;
  return digits == 0 || digits > 15 ? -1 : std::stoll(id.substr(begin));
}

std::vector<PairIdentity> pair_identities(const PairIndex& index) {
  constexpr std::int64_t kNineDigits = 1000000000;
  std::unordered_map<std::string, std::int32_t> numbers;
  std::int32_t groups = 0;
  std::vector<PairIdentity> identities;
  for (std::int64_t i = 0; i < index.size(); ++i) {
    const Pair& pair = index[i];
    std::int32_t group = groups;
    if (pair.group.empty()) {
      ++groups;
    } else {
      const auto [found, added] = numbers.emplace(pair.group, groups);
      groups += added;
      group = found->second;
    }
    const std::int64_t frame = frame_number(pair.id);
    identities.push_back({group, static_cast<std::int32_t>(frame < 0 ? -1 : frame % kNineDigits)});
  }
  return identities;
}

}  // namespace ktrain
