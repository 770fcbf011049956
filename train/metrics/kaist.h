// Log-average miss rate of the KAIST benchmark, by the rule of its MATLAB code.
//
// 1. A setup ignores a target that is flagged, outside its heights, of another occlusion, or within
//    5 pixels of the frame's border (x < 5, y < 5, x + w > 635, y + h > 507 at 640x512).
// 2. Per image, detections by falling score each take the free target of largest overlap >= 0.5
// (the
//    last of equals), real targets before ignored ones. Overlap with an ignored target is measured
//    over the detection's own area; it absorbs any number of detections, which then vanish.
// 3. All detections by falling score give false alarms per image (over all images of the setup) and
//    recall (over all its targets, those in images without a detection too).
// 4. MR = exp(mean(ln(max(1e-10, 1 - recall)))) at FPPI 10^-2, 10^-1.75 .. 10^0, taking the last
// point
//    of the curve at or below each; before the first point recall is 0.
// A score is a pure function of its arguments: setups can be evaluated in any order.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/metrics/detection.h"
#include "train/metrics/outcomes.h"

namespace ktrain::metrics {

// Images by the set number in their name: set % 6 is 0, 3 campus; 1, 4 road; 2, 5 downtown; below 3
// day. Names without "setNN" belong to kAll only.
enum class KaistSubset { kAll, kDay, kNight, kCampus, kRoad, kDowntown };

struct KaistSetup {
  std::string name = {};
  KaistSubset subset = KaistSubset::kAll;
  double min_height = 55;  // at a frame of 512 rows; both ends belong to the range
  double max_height = std::numeric_limits<double>::infinity();
  std::array<bool, 3> occlusions = {true, true, false};  // none, partial, heavy
};

// Reasonable (all, day, night, campus, road, downtown), small, heavy, All 20+, near, medium, far,
// occlusion none, partial, heavy. The first three make the "All/Day/Night" of published tables.
[[nodiscard]] std::vector<KaistSetup> kaist_setups();

struct KaistOptions {
  // Frames of another size scale the border and the setups' heights; such scores are not KAIST's.
  double image_width = 640;
  double image_height = 512;
  // As MLPD's Python script: FPPI points rounded to four digits, targets of images without a
  // detection not counted, at most 1000 detections per image, FPPI below the first point reads the
  // end of the curve, no floor under a miss rate of 0.
  bool mlpd = false;
};

struct FppiPoint {
  double score = 0;
  double fppi = 0;
  double recall = 0;
};

struct KaistScore {
  std::string setup = {};
  std::int64_t images = 0;
  std::int64_t targets = 0;  // the denominator of recall
  std::int64_t ignored = 0;
  // Fractions; NaN when the setup has no target.
  double miss_rate = std::numeric_limits<double>::quiet_NaN();
  double recall = std::numeric_limits<double>::quiet_NaN();  // at the end of the curve
  std::vector<FppiPoint> curve = {};                         // falling score; vanished ones absent
};

[[nodiscard]] bool in_subset(std::string_view image_name, KaistSubset subset);

// `truth` and `detections` are parallel. Only detections and targets of class 0 exist for this
// metric; a target of another class is a region to ignore (people, person?, cyclist).
[[nodiscard]] KaistScore kaist_score(std::span<const ImageTruth> truth,
                                     std::span<const Detections> detections,
                                     const KaistSetup& setup, const KaistOptions& options = {});

// The same matching, detection by detection, for a setup of all images (KaistSubset::kAll) by the
// MATLAB rule.
[[nodiscard]] Outcomes kaist_outcomes(std::span<const ImageTruth> truth,
                                      std::span<const Detections> detections,
                                      const KaistSetup& setup, const KaistOptions& options = {});

// MR of a curve, the steps 3 and 4 above.
[[nodiscard]] double log_average_miss_rate(std::span<const FppiPoint> curve, bool mlpd = false);

}  // namespace ktrain::metrics
