// Carries out the runs of a design, one after the other, and goes on where it was stopped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/console.h"
#include "train/experiment/cells.h"
#include "train/run_folder.h"
#include "train/stop_signals.h"

namespace ktrain::experiment {

enum class CellState : std::uint8_t { kMissing, kDone, kFailed };

// What stands in the cell's folder: a run that has come to its end, one that failed by its own
// numbers (KT-NUM: a result, too), or nothing of the kind.
[[nodiscard]] CellState state_of(const Cell& cell);

// What the first run was made with: the design's text, both plans with every key. Runs made by
// another design in the same folder would answer another question.
//   DESIGN      {"design": sha-256, "warm": .., "arm": .., "began": time (UTC)}
//   design.cfg  the design as it was
// Writes both when they are not there; throws Fault KT-EXP-001 when they differ.
void pin_design(const Design& design, RunFolder& folder);

struct RunCount {
  std::int64_t all = 0, done = 0, failed = 0;
};

// Checks every cell's plan, then trains what is missing. Returns 0 when nothing is left to do, 75
// or 130 when a signal came. A run whose loss stops being finite is kept as it is and told; every
// other Fault ends the experiment. `journal` in the experiment's folder keeps the seconds of each
// run, for the estimate of what is left.
int run_cells(const Design& design, const std::vector<Cell>& cells, const std::string& runs,
              Console& console, const StopSignals& signals);

// Throws the Fault of the first cell whose plan is refused.
void check_plans(const std::vector<Cell>& cells);

[[nodiscard]] RunCount count_runs(const std::vector<Cell>& cells);

}  // namespace ktrain::experiment
