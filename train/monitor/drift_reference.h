// The reference of a run's drift, kept with the run as monitor_reference.safetensors: a run that
// goes on compares with the same numbers as before.
//   layer.<layer>.mean, .variance   F64 [channels]
//   features.<group>                F32 [rows, columns]
//   weights.<parameter>             the reference's weights, as in a checkpoint
//   metadata                        reference, source, anchors (ids, one a line), data
// It has about the size of the weights, a third of a checkpoint.
#pragma once

#include <set>
#include <string>

#include "train/checkpoint_file.h"
#include "train/monitor/drift.h"

namespace ktrain {

struct DriftReference {
  std::string hash;     // "#1a2b3c4d": SHA-256 over the reference's weights and statistics
  std::string source;   // where they came from, for people
  std::string anchors;  // Anchors::ids
  std::string data;     // manifest hash of the anchors
  Activations activations;
};

// SHA-256, hexadecimal, over names and values of all parameters but those in `without`.
[[nodiscard]] std::string weights_hash(const ParameterSet& parameters,
                                       const std::set<std::string>& without = {});

// Replaces the file in one step; `parameters` hold the reference's weights, except `without`, which
// it does not have. Throws Fault KT-IO-001.
void save_drift_reference(FileSystem& files, const std::string& path,
                          const DriftReference& reference, const ParameterSet& parameters,
                          const std::set<std::string>& without);
// Without the weights. Throws Fault KT-CKPT-003 when the file is no such reference.
[[nodiscard]] DriftReference load_drift_reference(const LoadedCheckpoint& from);
// `from` must outlive what it gives.
[[nodiscard]] ReferenceWeights reference_weights(const LoadedCheckpoint& from);

// A copy of all parameters, put back when the scope ends.
class WeightsScope {
 public:
  explicit WeightsScope(ParameterSet& parameters);
  ~WeightsScope();
  WeightsScope(const WeightsScope&) = delete;
  WeightsScope& operator=(const WeightsScope&) = delete;

 private:
  ParameterSet& parameters_;
  std::vector<std::vector<float>> values_;
};

}  // namespace ktrain
