// Average precision of Pascal VOC, as the devkit and mmdetection 3 compute it.
//
// Per class and image, detections by falling score each take the target of largest IoU among all
// targets of the class, ignored ones included (the first of equals, real ones before ignored).
// Below the threshold: false alarm. On an ignored target: the detection vanishes. Otherwise the
// first taker is a hit and every later one a false alarm; nobody looks for a second-best target.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "train/metrics/detection.h"
#include "train/metrics/outcomes.h"

namespace ktrain::metrics {

struct VocOptions {
  double iou = 0.5;
  // Widths are x2 - x1 + 1, as VOC's pixel indices want it and as mmdetection's VOCMetric does.
  bool legacy_plus_one = true;
};

enum class ApKind {
  kElevenPoint,  // VOC 2007: mean over recall 0, .1 .. 1 of the largest precision at or beyond it
  kArea,         // VOC 2010: area under the curve made to fall monotonically
};

struct PrPoint {
  double score = 0;
  double recall = 0;
  double precision = 0;
};

// A class without targets has no recall and no AP: NaN, printed as n/a.
struct VocClass {
  std::string name = {};
  std::int64_t gts = 0;      // targets that are not ignored
  std::int64_t ignored = 0;  // targets that are
  std::int64_t dets = 0;     // every detection, those on ignored targets too
  double recall = std::numeric_limits<double>::quiet_NaN();  // of the whole list of detections
  double ap_eleven = std::numeric_limits<double>::quiet_NaN();
  double ap_area = std::numeric_limits<double>::quiet_NaN();
  int bins = 0;  // of the 11 points, those that the curve reaches
  std::vector<PrPoint> curve = {};
};

// Means run over the classes with targets; NaN when there are none.
struct VocScore {
  std::vector<VocClass> classes = {};
  double map_eleven = std::numeric_limits<double>::quiet_NaN();
  double map_area = std::numeric_limits<double>::quiet_NaN();
};

// `truth` and `detections` are parallel. Labels index `class_names`; others throw Error.
[[nodiscard]] VocScore voc_score(std::span<const ImageTruth> truth,
                                 std::span<const Detections> detections,
                                 std::span<const std::string> class_names,
                                 const VocOptions& options = {});

// The same matching for class 0, detection by detection.
[[nodiscard]] Outcomes voc_outcomes(std::span<const ImageTruth> truth,
                                    std::span<const Detections> detections,
                                    const VocOptions& options = {});

// AP of a curve whose recall never falls. An empty curve has AP 0.
[[nodiscard]] double average_precision(std::span<const PrPoint> curve, ApKind kind);
// How many of the 11 recall points the curve reaches; one lost bin costs up to 1/11 of AP.
[[nodiscard]] int filled_bins(std::span<const PrPoint> curve);

// mmdetection's table: class, gts, dets, recall, ap and a footer with mAP, three decimals.
[[nodiscard]] std::string voc_table(const VocScore& score, ApKind kind);

}  // namespace ktrain::metrics
