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

}  // namespace ktrain
