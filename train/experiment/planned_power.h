// What a design can find, from its number of seeds alone.
#pragma once

#include <string>

#include "train/experiment/design.h"

namespace ktrain::experiment {

// In words: how many standard deviations of the seeds a mean must lie from its bound to be found
// with chance rule.power, in one test at rule.alpha and in one among the design's groups; beside it
// what ten seeds find.
[[nodiscard]] std::string planned_text(const Design& design);

}  // namespace ktrain::experiment
