#include "data/synth/manifest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ktrain::synth {
namespace {

using Json = nlohmann::ordered_json;

Json spec_json(const SynthSpec& spec) {
  return {{"generator", "ktrain synth"},
          {"version", kGeneratorVersion},
          {"train_pairs", spec.train_pairs},
          {"val_pairs", spec.val_pairs},
          {"width", spec.width},
          {"height", spec.height},
          {"quality", spec.quality},
          {"night", spec.night},
          {"empty", spec.empty},
          {"crowding", spec.crowding},
          {"shift", spec.shift},
          {"seed", spec.seed}};
}

}  // namespace

std::string pair_id(const SynthSpec& spec, SceneId id) {
  const int set = (id.val ? 6 : 0) + (is_night(spec, id) ? 3 : 0) + static_cast<int>(place_of(id));
  return fmt::format("set{:02}/V{:03}/I{:05}", set, id.number / 1000, id.number);
}

std::string list_text(const SynthSpec& spec, bool val) {
  std::string text;
  for (std::int64_t i = 0; i < (val ? spec.val_pairs : spec.train_pairs); ++i)
    text += pair_id(spec, {val, i}) + "\n";
  return text;
}

std::string manifest_text(const SynthSpec& spec, std::int64_t bytes) {
  Json object = spec_json(spec);
  object["bytes"] = bytes;
  return object.dump(2) + "\n";
}

ManifestCheck check_manifest(std::string_view text, const SynthSpec& wanted) {
  ManifestCheck check;
  const Json found = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Json spec = spec_json(wanted);
  if (!found.is_object() || found.value("generator", Json()) != spec["generator"]) return check;
  const Json bytes = found.value("bytes", Json());
  check.is_manifest = bytes.is_number_integer();
  if (!check.is_manifest) return check;
  check.bytes = bytes.get<std::int64_t>();
  for (const auto& [key, value] : spec.items()) {
    const Json there = found.value(key, Json());
    if (there != value)
      check.differences.push_back(fmt::format("{} {}, wanted {}", key, there.dump(), value.dump()));
  }
  return check;
}

}  // namespace ktrain::synth
