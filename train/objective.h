// The one place where the loss that is trained is formed: total = sum_k weight_k * term_k.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace ktrain {

struct LossTerm {
  std::string name;            // rpn_cls, rpn_bbox, roi_cls, roi_bbox
  Tensor value;                // unweighted scalar with its history
  double weight = 1.0;         // what it is multiplied by
  double configured = weight;  // what the plan says; another number with compat.weights alone
  // On a device that the host does not wait for: where the weights of all terms of a weight other
  // than 0 stand in memory, in the order of the terms, the same for every term. Else undefined.
  Tensor weights = {};
};

// "; pairs of the batch: a, b; lower optimizer.lr, ...", for messages; "" without ids.
[[nodiscard]] std::string pairs_text(const std::vector<std::string>& pair_ids);

// What a step reports: the numbers that were really used, read back from memory.
struct ObjectiveValues {
  double total = 0;             // the scalar that backward starts from
  std::vector<double> terms;    // unweighted, in the order of the terms
  std::vector<double> weights;  // as applied
};

// The scalar that backward starts from. A term of weight 0 has no part in it, so that parameters
// which it alone reaches are left as they are; when all weights are 0, so is the total. Throws
// Fault KT-NUM-002 for a term that is enabled (weight not 0) but depends on no trainable parameter:
// such a term would be logged and train nothing.
[[nodiscard]] Tensor form_total(const std::vector<LossTerm>& terms);

// Throws Fault KT-NUM-001 for the first of the terms, or the total, that is not finite.
void check_values(const ObjectiveValues& values, const std::vector<std::string>& names,
                  std::int64_t step, const std::vector<std::string>& pair_ids);

// Reads all values. Throws Fault KT-NUM-001 when a term or the total is not finite, naming term,
// step and the pairs of the batch.
[[nodiscard]] ObjectiveValues read_values(const std::vector<LossTerm>& terms, const Tensor& total,
                                          std::int64_t step,
                                          const std::vector<std::string>& pair_ids);

}  // namespace ktrain
