// What a run folder tells once the run is over, or so far: its plan, its validations, its data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "train/plan_load.h"

namespace ktrain {

struct NumberedJson {
  std::int64_t line = 0;  // from 1
  nlohmann::json json;
};

// The records of a file of one JSON object a line, those for which `keep` finds its word alone ("":
// all). A last line without an end is one that is being written, and is left out; any other line
// that is no JSON object is a Fault KT-CMP-002 with file:line. No file: no records.
[[nodiscard]] std::vector<NumberedJson> read_json_lines(const std::string& path,
                                                        std::string_view word = "");

// One validation: every number of one epoch, never mixed with another's.
struct ValidationRecord {
  std::int64_t epoch = 0, step = 0;
  std::string log;          // "runs/a/scalars.jsonl:17"
  std::string fingerprint;  // what was measured
  std::int64_t gts = 0, dets = 0;
  std::map<std::string, double> metrics;  // kMetricNames, those that are numbers

  [[nodiscard]] std::optional<double> metric(const std::string& name) const;
};

struct RunHistory {
  std::string folder;
  ResolvedPlan resolved;  // run.cfg
  std::vector<ValidationRecord> validations;
  std::string ended;                 // "done", "stopped early"; "" when it has not come to its end
  std::string train_hash, val_hash;  // manifests of both lists, from the newest checkpoint

  // The validation that best.safetensors is of: the first of the best by stop.metric. nullptr
  // without any.
  [[nodiscard]] const ValidationRecord* best() const;
  [[nodiscard]] const ValidationRecord* of_epoch(std::int64_t epoch) const;
};

// Throws Fault KT-CMP-001 when the folder is not a run's, KT-CMP-002 when its records are broken.
[[nodiscard]] RunHistory read_run_history(const std::string& folder);

// The better of `values` by the metric's direction, the first of equals; -1 without any.
[[nodiscard]] std::int64_t best_index(const std::vector<ValidationRecord>& records,
                                      const std::string& metric);

}  // namespace ktrain
