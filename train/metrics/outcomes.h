// What became of each detection of one class, image by image: enough to score any selection of the
// images again without matching boxes anew.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ktrain::metrics {

struct Outcome {
  double score = 0;
  std::uint32_t image = 0;
  bool hit = false;  // else a false alarm; detections on ignored targets are left out
};

struct Outcomes {
  std::vector<Outcome> found;         // by falling score, equal ones in the order of the images
  std::vector<std::int64_t> targets;  // per image, without ignored ones
};

// Image i counted `times[i]` times over. With every time 1 these are exactly VocScore::map_area and
// KaistScore::miss_rate. NaN when the selection has no target.
[[nodiscard]] double average_precision(const Outcomes& outcomes,
                                       std::span<const std::uint32_t> times);
[[nodiscard]] double eleven_point_precision(const Outcomes& outcomes,
                                            std::span<const std::uint32_t> times);
[[nodiscard]] double recall(const Outcomes& outcomes, std::span<const std::uint32_t> times);
[[nodiscard]] double miss_rate(const Outcomes& outcomes, std::span<const std::uint32_t> times);

}  // namespace ktrain::metrics
