// The curves behind a validation's numbers, and the images where it went wrong, from the detections
// that the run kept and the data set that it was measured on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/report/run_data.h"
#include "train/validation.h"

namespace ktrain::report {

struct WorstBox {
  metrics::Box box;
  enum class Kind { kHit, kFalse, kMissed, kIgnored } kind = Kind::kHit;
  double score = 0;  // of detections
};

struct WorstPair {
  std::string id;
  std::int64_t misses = 0, false_alarms = 0;
  int width = 0, height = 0;     // that the boxes count in
  std::string visible, thermal;  // data URIs of JPEGs; "" when `problem` says why
  std::string problem;
  std::vector<WorstBox> boxes;
};

struct Rescored {
  std::string problem;  // why there is nothing: the rest is empty then
  std::int64_t epoch = 0;
  std::string fingerprint;
  std::optional<double> map, recorded_map;
  std::vector<metrics::PrPoint> precision_recall;
  std::vector<metrics::FppiPoint> fppi;  // KAIST reasonable, all
  double miss_rate = 0;
  double threshold = 0;  // the score of the best F1: what counts as found below
  double f1 = 0;
  std::vector<WorstPair> worst;
};

// Of the best validation. The data set is only read, never made. Nothing is shown when list and
// annotations are not those that were measured: the fingerprints must agree.
[[nodiscard]] Rescored rescore(const RunData& run, std::size_t worst);

}  // namespace ktrain::report
