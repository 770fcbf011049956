// What a made set says of itself: synth.json in its root, the last file to be written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/synth/scene.h"

namespace ktrain::synth {

inline constexpr const char* kManifestName = "synth.json";
// Goes up with every change that changes a byte of any set.
inline constexpr int kGeneratorVersion = 1;

// set00 campus, set01 road, set02 downtown by day, set03-05 by night; set06-11 the same for val.
// The frame's number is the scene's.
[[nodiscard]] std::string pair_id(const SynthSpec& spec, SceneId id);
[[nodiscard]] std::string list_text(const SynthSpec& spec, bool val);

// `bytes` of all images and annotations.
[[nodiscard]] std::string manifest_text(const SynthSpec& spec, std::int64_t bytes);

struct ManifestCheck {
  bool is_manifest = false;
  std::vector<std::string> differences;  // "seed 3, wanted 1"
  std::int64_t bytes = 0;
};
[[nodiscard]] ManifestCheck check_manifest(std::string_view text, const SynthSpec& wanted);

}  // namespace ktrain::synth
