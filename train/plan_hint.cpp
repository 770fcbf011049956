#include "train/plan_hint.h"

#include <algorithm>

#include <fmt/format.h>

#include "train/nearest.h"

namespace ktrain {
namespace {

std::string_view own_name(std::string_view name) { return name.substr(name.rfind('.') + 1); }

// "learning_rate" finds the key that is described as the learning rate.
std::string_view described_as(std::span<const PlanKey> keys, std::string_view name,
                              std::string_view group) {
  std::string words(own_name(name));
  std::replace(words.begin(), words.end(), '_', ' ');
  if (words.size() < 5) return {};
  for (const PlanKey& key : keys)
    if (key_group(key.name) == group && key.help.find(words) != std::string_view::npos)
      return key.name;
  return {};
}

}  // namespace

std::string key_hint(std::span<const PlanKey> keys, std::string_view name, std::string_view group) {
  std::vector<std::string_view> siblings, all{"include"};
  std::string_view namesake, described = described_as(keys, name, group);
  const std::string stem = group.empty() ? "" : fmt::format("{}.", group);
  const std::string whole = stem + std::string(name);
  for (const PlanKey& key : keys) {
    all.push_back(key.name);
    // Of several keys called "weight" the one in the group that is spelt most alike.
    if (own_name(key.name) == own_name(name) &&
        (namesake.empty() || edit_distance(whole, key.name) < edit_distance(whole, namesake)))
      namesake = key.name;
    if (!key.name.starts_with(stem)) continue;
    const auto rest = key.name.substr(stem.size());
    siblings.push_back(rest.substr(0, rest.find('.')));
  }
  std::string hint;
  if (name.find('.') == std::string_view::npos) hint = did_you_mean(name, siblings);
  for (const std::string_view meant : {namesake, described})
    if (hint.empty() && !meant.empty()) hint = fmt::format("; did you mean '{}'?", meant);
  if (hint.empty()) hint = did_you_mean(whole, all);
  return hint.empty() ? "; ktrain explain plan lists all keys" : hint;
}

}  // namespace ktrain
