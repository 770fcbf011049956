// Weights from a file into a model: everything is matched by name before anything is written, and
// what does not match is counted, named and, unless the plan allows it, refused.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/parameters.h"
#include "train/checkpoint_file.h"

namespace ktrain {

struct LoadOptions {
  // Prefixes of what the file may lack, and of what it may have beside.
  std::vector<std::string> allow_missing, allow_unexpected;
  // {"thermal.", "visible."}: a tensor of the model under the first prefix that the file lacks is
  // copied from the file's tensor under the second.
  std::vector<std::pair<std::string, std::string>> stand_ins;
  // Take the average of the weights where the file has one.
  bool prefer_average = true;
};

struct LoadReport {
  std::vector<std::string> matched, copied, missing, unexpected;  // names
  std::vector<std::string> mismatched;                            // "name: F32 [2] there, ..."

  // "312 matched, 0 missing, 2 unexpected, 0 of another shape", and "n copied" when there are any.
  [[nodiscard]] std::string summary() const;
};

// What would be loaded. State of the optimizer and of auxiliary losses ("auxiliary."),
// of the monitor ("monitor.") and averages
// are not weights and never unexpected.
[[nodiscard]] LoadReport compare_weights(const LoadedCheckpoint& from,
                                         const ParameterSet& parameters,
                                         const LoadOptions& options = {});

// Loads them. KT-CKPT-006 with counts and first names, and nothing written, when a tensor is of
// another shape, or missing or unexpected without leave, or when nothing matches at all.
LoadReport load_weights(const LoadedCheckpoint& from, ParameterSet& parameters,
                        const LoadOptions& options = {});

}  // namespace ktrain
