#include "train/auxiliary_terms.h"

#include <memory>

#include "models/auxiliary/macl.h"
#include "train/auxiliary_plan.h"

namespace ktrain {
namespace {

MaclOptions macl_options(const MaclPlan& plan) {
  MaclOptions options;
  options.embedding = {plan.level == "image" ? PairLevel::kImage : PairLevel::kRoi, plan.rows,
                       plan.pool, plan.hidden, plan.channels};
  options.exclusion = {plan.negative_iou, plan.neighbours};
  options.loss.least_negatives = plan.min_negatives;
  options.temperature = plan.tau;
  options.learned_temperature = plan.temperature == "learned";
  options.quality_weighting = plan.quality_weighting;
  options.stop_better = plan.stop_better;
  options.quality_threshold = plan.quality_threshold;
  return options;
}

}  // namespace

AuxiliarySetup make_auxiliary(const Plan& plan, const DetectorOptions& detector,
                              const Maker& maker) {
  std::vector<std::unique_ptr<AuxiliaryTerm>> terms;
  std::vector<WeightSchedule> weights;
  const Maker here = maker / "aux";
  if (is_enabled(plan.loss.macl))
    terms.push_back(
        std::make_unique<MaclTerm>(here / "macl", detector, macl_options(plan.loss.macl)));
  for (const auto& [name, term] : enabled_auxiliary(plan.loss)) weights.push_back(term->weight);
  KT_CHECK(terms.size() == weights.size(), "make_auxiliary: {} terms, {} weights", terms.size(),
           weights.size());
  return {AuxiliaryLosses(std::move(terms)), std::move(weights)};
}

}  // namespace ktrain
