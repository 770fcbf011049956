// What an experiment would do, and for how long.
#pragma once

#include <string>
#include <vector>

#include "train/console.h"
#include "train/experiment/cells.h"

namespace ktrain::experiment {

// Checks every cell's plan and shows the runs: how many, what is there, their steps, and an
// estimate of the time left from a few steps and a validation, measured here and now. The built-in
// data set is made when it is missing; nothing is trained.
void dry_run(const Design& design, const std::vector<Cell>& cells, const std::string& runs,
             Console& console);

}  // namespace ktrain::experiment
