// The built-in data set: procedural street scenes, seen by a visible and a thermal camera, written
// to disk as a KAIST tree so that the real reader is what runs. Scenes are independent of each
// other; each is a pure function of (seed, split, number), whatever the other numbers and the
// threads. What each modality lacks, the other has: see docs/data.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace ktrain {

struct SynthSpec {
  std::int64_t train_pairs = 200, val_pairs = 60;  // train of sets 00-05, val of sets 06-11
  int width = 640, height = 512;                   // pixels, 32 to 4096
  double quality = 1.0;   // visible images: 1 good light, 0 next to nothing but noise
  double night = 0.3;     // share of night scenes
  double empty = 0.2;     // share of scenes with nobody in them
  double crowding = 1.0;  // factor on the number of people, 0 to 10
  double shift = 0.0;     // largest shift of the visible against the thermal image, pixels, to 64
  std::uint64_t seed = 1;

  bool operator==(const SynthSpec&) const = default;
};

// Photoelectrons that a white surface in daylight gives per pixel and channel: 4 at quality 0, 4000
// at 1.
[[nodiscard]] double synth_photons(double quality);
// Its inverse.
[[nodiscard]] double synth_quality(double photons);

// Makes the set at `folder`, unless it is there already; whether it was made. The folder's parents
// are made when missing. Written beside `folder` and renamed at the end, so that an interrupted
// call leaves nothing at `folder`. Two processes that want the same set make it once. `threads` 0:
// every core. Throws Fault: KT-DATA-018 the folder holds something else, KT-DATA-019 a set of
// another spec, KT-DATA-020 an incomplete set, KT-DATA-021 the spec is out of range, KT-IO-001 the
// disk refuses. Nothing that it did not make is ever removed.
bool ensure_synth(const std::filesystem::path& folder, const SynthSpec& spec, int threads = 0);

// The lists in imageSets, without ".txt".
inline constexpr const char* kSynthTrainList = "train";
inline constexpr const char* kSynthValList = "val";

}  // namespace ktrain
