// The proof that what is declared frozen has not moved: a hash of each frozen tensor, taken at the
// start and compared after each epoch.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/parameters.h"

namespace ktrain {

// Whether the statistics of normalisations that train may move (model.norm = "batch").
enum class Statistics : std::uint8_t { kFixed, kMoving };

class FrozenProof {
 public:
  // Covers every parameter that is not trainable, and every buffer but the moving statistics: those
  // beside a trainable parameter of the same module.
  FrozenProof(const ParameterSet& parameters, Statistics statistics);

  // KT-BUG-002 with the first tensor that differs.
  void check() const;

  [[nodiscard]] std::size_t num_tensors() const { return hashes_.size(); }
  // One hash over all of it, for the log.
  [[nodiscard]] std::string hash() const;

 private:
  const ParameterSet& parameters_;
  std::vector<std::pair<std::size_t, std::string>> hashes_;  // index in the set, SHA-256
};

}  // namespace ktrain
