// Everything that a run's folder says, read as it is: what is missing or damaged is named, not
// guessed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "train/plan_load.h"
#include "train/safetensors.h"

namespace ktrain::report {

struct RunData {
  std::string path, name;  // names of the runs of one report differ
  nlohmann::json status;   // {} when there is none
  std::optional<ResolvedPlan> plan;
  std::vector<nlohmann::json> train, validations, monitor;  // records in order
  std::string env, result;                                  // env.txt, report.txt
  std::int64_t best_epoch = 0;                              // of the validations; 0 without one
  std::int64_t steps_per_epoch = 0;                         // 0: not known
  std::string checkpoint_hash;    // SHA-256 of best.safetensors' arrays, verified; "" without
  Metadata checkpoint;            // its metadata
  std::vector<std::string> gaps;  // what could not be read, for people

  // Position in epochs, 1.0 being the end of the first; in steps when the epoch's length is not
  // known.
  [[nodiscard]] double epoch_at(std::int64_t step) const;
  [[nodiscard]] std::vector<const nlohmann::json*> monitor_of(std::string_view kind) const;
  [[nodiscard]] const nlohmann::json* best() const;  // the validation; nullptr without one
};

// Throws Fault KT-DATA-070 when the folder is no run folder.
[[nodiscard]] RunData read_run(const std::string& path);
// Names every run by as many of the last parts of its path as tell it from the others.
void name_runs(std::vector<RunData>& runs);

}  // namespace ktrain::report
