// The detector over a list of pairs, and the scores of what it finds.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/batch_tensors.h"
#include "train/data_set.h"
#include "train/metrics/coco.h"
#include "train/metrics/kaist.h"
#include "train/metrics/voc.h"

namespace ktrain {

// The truth of a list as the metrics want it, in pixels of the original images.
[[nodiscard]] std::vector<metrics::ImageTruth> truth_of(const PairIndex& index);

// The first `count` images' detections, on the host.
[[nodiscard]] std::vector<metrics::Detections> detections_of(const DetectionTensors& found,
                                                             std::int64_t count);

// Detections of each pair of the loader's list, in its order. The loader must give every pair once
// (LastBatch::kPartial) from its first step on; it is sought there. Asks `stopped` before each
// batch and gives nothing when it says so.
[[nodiscard]] std::optional<std::vector<metrics::Detections>> detect_all(
    const TwoStreamDetector& detector, Loader& loader, BatchTensors& tensors, std::int64_t pairs,
    const std::function<bool()>& stopped);

// All three protocols at once: one detection pass, one record.
struct Validation {
  metrics::VocScore voc;                   // IoU 0.5, widths x2 - x1 + 1
  std::vector<metrics::KaistScore> kaist;  // in the order of kaist_setups()
  metrics::CocoScore coco;
  std::string fingerprint;  // what was measured: list, pairs, targets, hash
  std::int64_t pairs = 0;

  // By the names of stop.metric: map (area), map_11point, recall, miss_rate (reasonable, all);
  // none when the list has no target for it.
  [[nodiscard]] std::optional<double> metric(std::string_view name) const;
};

// What a score on this list is a score of: the list, its pairs and targets, their hash.
[[nodiscard]] std::string score_fingerprint(const RunList& list);

// Frames of another size than KAIST's scale its heights and border.
[[nodiscard]] metrics::KaistOptions kaist_options(const PairIndex& index);

[[nodiscard]] Validation score(const RunList& list, std::span<const metrics::Detections> found);

// The names that Validation::metric knows.
inline constexpr std::array<std::string_view, 4> kMetricNames = {"map", "map_11point", "recall",
                                                                 "miss_rate"};

// The VOC table, mmdetection's columns, with both kinds of AP in the footer.
[[nodiscard]] std::string voc_text(const Validation& v);
// KAIST's miss rate, a line per setup that has images.
[[nodiscard]] std::string kaist_text(const Validation& v);
// COCO's twelve numbers.
[[nodiscard]] std::string coco_text(const Validation& v);
// One JSON object with all of it.
[[nodiscard]] std::string validation_json(const Validation& v);

}  // namespace ktrain
