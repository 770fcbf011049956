// What a probe compares: the axis of its Gram matrices.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "train/objective.h"

namespace ktrain {

// One loss on the axis: a combination of terms of the objective,
//   loss = sum coefficient * term,   total = sum over the axis of weight * loss.
struct AxisLoss {
  std::string name;
  std::vector<std::pair<std::size_t, double>> terms;  // place among the objective's, coefficient
  double weight = 1;
};

struct ProbeAxis {
  std::vector<AxisLoss> losses;  // detection first
  std::size_t detection = 0;     // how many of them are detection losses
  // The one whose gradient is what the total leaves when all others are taken out of it, so that it
  // costs no walk of its own; a detection loss whose weight is not 0.
  std::size_t remainder = 0;

  // Fewer than two losses, or no detection loss with a weight: there is nothing to compare.
  [[nodiscard]] bool empty() const { return losses.size() < 2; }
};

// The detection terms are the first `num_detection`.
//   watch    "det" (weights inside, weight 1); macl and dhn as one; every other term
//   deep     every term by itself
//   surgery  "det", "aux": all others, weighted, as one
// macl and dhn as one are (w_m macl + w_d dhn) / (w_m + w_d) under the weight w_m + w_d, or their
// mean when both weights are 0.
[[nodiscard]] ProbeAxis make_axis(const std::string& profile, const std::vector<LossTerm>& terms,
                                  std::size_t num_detection);

}  // namespace ktrain
