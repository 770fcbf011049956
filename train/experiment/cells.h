// The runs that a design asks for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/experiment/design.h"

namespace ktrain::experiment {

struct Cell {
  std::int64_t seed = 0;
  std::string quality, arm;  // both "" for the seed's warm start
  std::string plan;          // the file
  Strings set;               // key=value, the folder and the start included
  std::string folder;        // of the run

  [[nodiscard]] bool warm() const { return arm.empty(); }
  [[nodiscard]] std::string label() const;  // "seed 2, warm start", "seed 2, q3, macl_0.05"
};

// `runs`/`design.name`.
[[nodiscard]] std::string experiment_folder(const Design& design, const std::string& runs);

// Seed by seed, the warm start first, so that an experiment that is cut short has whole seeds. The
// arms' `set` wants what depends on the finished warm start: see with_start.
[[nodiscard]] std::vector<Cell> cells_of(const Design& design, const std::string& runs);

// The warm start of the same seed.
[[nodiscard]] const Cell& warm_start_of(const std::vector<Cell>& cells, const Cell& arm);

// `arm`'s keys with init.checkpoint set to `file`.
[[nodiscard]] Strings with_start(const Cell& arm, const std::string& file);

}  // namespace ktrain::experiment
