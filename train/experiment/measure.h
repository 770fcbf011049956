// What the analysis takes from the folder of one run: its validations and what the conflict monitor
// wrote. Nothing else is looked at, so that an analysis can be repeated from the files alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/experiment/design.h"

namespace ktrain::experiment {

struct RunMeasure {
  std::int64_t step = 0;  // of the last validation
  std::optional<double> map, recall, miss_rate;
  std::string fingerprint;  // of what the validation measured

  // Of probes from the design's from_step on; `loss` against detection.
  std::int64_t probes = 0, windows = 0;  // windows that do not overlap
  std::map<std::string, double> xcos;    // by group: mean over windows, below-noise ones apart
  std::map<std::string, std::int64_t> below_noise;  // windows in which nothing can be said
  std::map<std::string, double> pcos;               // mean over probes
  std::map<std::string, double> self;               // of detection: cosine of two halves
  std::map<std::string, double> rv;
  // Share of detection's first-order progress that the loss takes: sums over probes and groups
  // before the division, since a ratio of noisy numbers has no steady mean.
  std::optional<double> tax;
  std::map<std::string, double> group_tax;
  std::optional<double> held_out;  // mean of the leave-one-out effect on held-out detection loss
  std::optional<double> clip, clip_det;
  std::optional<double> r1;               // lag-1 correlation of the probes' pooled pcos
  std::int64_t warnings = 0, alarms = 0;  // records of these levels for the loss
  std::optional<double> drift;            // last p95 KL, largest over visible stem to layer2
};

// The last validation alone; nothing in it when there is none.
[[nodiscard]] RunMeasure measure_validation(const std::string& folder);

// Everything. A run whose plan has no monitor (profile off) or no such loss has no conflict
// numbers. Throws Fault KT-DATA-060 for a damaged monitor.jsonl.
[[nodiscard]] RunMeasure measure_run(const std::string& folder, const std::string& loss,
                                     const Design& design);

}  // namespace ktrain::experiment
