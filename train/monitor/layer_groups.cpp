#include "train/monitor/layer_groups.h"

#include <algorithm>

namespace ktrain {
namespace {

constexpr std::string_view kShared = "shared.";

// "a.b.c" -> "a", "b", "c": the first three, empty where there is none.
struct NameParts {
  std::string_view part[3];
};

NameParts split(std::string_view name) {
  NameParts parts;
  for (std::string_view& part : parts.part) {
    const std::size_t dot = name.find('.');
    part = name.substr(0, dot);
    if (dot == std::string_view::npos) break;
    name.remove_prefix(dot + 1);
  }
  return parts;
}

}  // namespace

std::string group_of(std::string_view parameter) {
  const auto [branch, module, layer] = split(parameter).part;
  if (branch == "msp") return "fusion";
  if (branch == "rpn_head") return "rpn";
  if (branch == "roi_head") return "roi";
  if (branch == "aux" && !module.empty()) return "aux." + std::string(module);
  if (branch != "visible" && branch != "thermal" && branch != "shared") return std::string(branch);
  std::string group(branch);
  group += '.';
  group += module != "backbone" ? module : layer.starts_with("layer") ? layer : "stem";
  return group;
}

int pass_of_part(const char* part) {
  const std::string_view name(part);
  for (int pass = 0; pass < 2; ++pass)
    if (name.starts_with(kPassNames[pass])) return pass;
  return -1;
}

LayerGroups::LayerGroups(const ParameterSet& parameters) {
  for (const Parameter& parameter : parameters.all()) {
    Places places;
    if (parameter.trainable) {
      const std::string group = group_of(parameter.name);
      const std::int64_t elements = parameter.value.size();
      places.whole = add(group, elements, false);
      if (parameter.name.starts_with(kShared)) {
        shared_ = true;
        for (int pass = 0; pass < 2; ++pass)
          places.pass[pass] = add(
              std::string(kPassNames[pass]) + "." + group.substr(kShared.size()), elements, true);
      }
    }
    places_.push_back(places);
  }
}

LayerGroups::Place LayerGroups::add(const std::string& name, std::int64_t elements, bool share) {
  auto group =
      std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return g.name == name; });
  if (group == groups_.end()) group = groups_.insert(group, {name, 0, share});
  const Place place{static_cast<int>(group - groups_.begin()), group->elements};
  group->elements += elements;
  return place;
}

LayerGroups::Place LayerGroups::place(std::size_t parameter, int pass) const {
  const Places& places = places_.at(parameter);
  return pass < 0 ? places.whole : places.pass[pass];
}

}  // namespace ktrain
