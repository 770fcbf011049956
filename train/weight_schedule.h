// The weight of a loss term as a pure function of the position in training.
#pragma once

#include <string>
#include <vector>

namespace ktrain {

// In a plan a number (`weight = 0.5`), or points joined by ramps:
//   weight = { at = [0, 3], value = [0.0, 0.01], unit = "epoch", shape = "linear" }
// Before the first point the first value holds, after the last point the last value.
// `shape` says how a ramp runs from one value to the next, p in [0, 1] being the way along it:
//   linear  p        cosine  (1 - cos(pi p)) / 2        grl  2 / (1 + exp(-10 p)) - 1
// grl ends at 0.99991 of the way, as the gradient-reversal schedule of Ganin and Lempitsky does.
struct WeightSchedule {
  std::vector<double> at;             // positions, increasing; empty for a constant
  std::vector<double> value = {1.0};  // one per position, or the constant alone
  std::string unit = "step";          // step, epoch
  std::string shape = "linear";       // linear, cosine, grl

  bool operator==(const WeightSchedule&) const = default;
};

}  // namespace ktrain
