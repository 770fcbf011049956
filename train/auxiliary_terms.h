// The auxiliary losses of a plan: which are on, with which weights.
#pragma once

#include <functional>
#include <vector>

#include "models/auxiliary/auxiliary.h"
#include "train/plan.h"

namespace ktrain {

struct AuxiliarySetup {
  AuxiliaryLosses losses;
  std::vector<WeightSchedule> weights;  // one per term, in the order of losses.names()
};

// Makes the terms that `plan` switches on, in the order macl, dhn, domain; their parameters come
// from `maker`, which stands at the root. A plan without such terms makes nothing.
[[nodiscard]] AuxiliarySetup make_auxiliary(const Plan& plan, const DetectorOptions& detector,
                                            const Maker& maker);
using AuxiliaryFactory =
    std::function<AuxiliarySetup(const Plan&, const DetectorOptions&, const Maker&)>;

// The heads that a loss of the plan trains: MACL's where it has a weight, which the others share,
// else those of the first loss that has. Empty where there are none: heads of a loss that is
// measured alone stay as they began.
[[nodiscard]] NamedEmbedding trained_heads(const AuxiliaryLosses& losses, const LossPlan& plan);

}  // namespace ktrain
