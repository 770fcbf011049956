#include "train/auxiliary_terms.h"

#include <memory>
#include <optional>

#include "models/auxiliary/macl.h"
#include "train/alignment_plan.h"
#include "train/auxiliary_plan.h"

namespace ktrain {
namespace {

// Heads that several contrastive terms share, and where their parameters stand.
struct SharedHeads {
  std::vector<std::string> below;
  std::optional<PairEmbedding> embedding;
};

// Of a term whose keys carry no gradient: with a head of their own they would never be trained, so
// that one head serves both streams.
SharedHeads own_heads(const Maker& maker, const DetectorOptions& detector,
                      const std::string& term) {
  PairEmbeddingOptions options;
  options.shared = true;
  return {{"aux", term}, PairEmbedding(maker / "aux" / term, detector, options)};
}

MaclOptions macl_options(const MaclPlan& plan, const CompatPlan& compat) {
  MaclOptions options;
  options.embedding = {plan.level == "image" ? PairLevel::kImage : PairLevel::kRoi, plan.rows,
                       plan.pool, plan.hidden, plan.channels};
  options.control = plan.control == "shuffled"         ? MaclControl::kShuffled
                    : plan.control == "projector_only" ? MaclControl::kProjectorOnly
                                                       : MaclControl::kNone;
  options.exclusion = {plan.negative_iou, plan.neighbours};
  options.loss.least_negatives = plan.min_negatives;
  options.temperature = plan.tau;
  options.learned_temperature = plan.temperature == "learned";
  options.quality_weighting = plan.quality_weighting;
  options.stop_better = plan.stop_better;
  options.quality_threshold = plan.quality_threshold;
  options.loss.one_directional = compat.one_directional;
  options.loss.raw_temperature = compat.unbounded_temperature;
  return options;
}

}  // namespace

AuxiliarySetup make_auxiliary(const Plan& plan, const DetectorOptions& detector,
                              const Maker& maker) {
  std::vector<std::unique_ptr<AuxiliaryTerm>> terms;
  std::vector<WeightSchedule> weights;
  SharedHeads heads;
  if (is_enabled(plan.loss.macl)) {
    auto macl = std::make_unique<MaclTerm>(maker / "aux" / "macl", detector,
                                           macl_options(plan.loss.macl, plan.compat));
    // Heads of a loss that is measured alone are trained by nobody.
    if (is_trained(plan.loss.macl)) heads = {{"aux", "macl"}, *macl->embedding()};
    terms.push_back(std::move(macl));
  }
  if (is_enabled(plan.loss.dhn)) {
    if (!heads.embedding) heads = own_heads(maker, detector, "dhn");
    terms.push_back(std::make_unique<DhnTerm>(maker, heads.below, *heads.embedding, detector,
                                              dhn_options(plan)));
  }
  if (is_enabled(plan.loss.domain))
    terms.push_back(std::make_unique<DomainTerm>(maker / "aux" / "domain", detector,
                                                 domain_options(plan), heads.embedding));
  for (const auto& [name, term] : enabled_auxiliary(plan.loss)) weights.push_back(term->weight);
  KT_CHECK(terms.size() == weights.size(), "make_auxiliary: {} terms, {} weights", terms.size(),
           weights.size());
  return {AuxiliaryLosses(std::move(terms)), std::move(weights)};
}

NamedEmbedding trained_heads(const AuxiliaryLosses& losses, const LossPlan& plan) {
  for (const auto& [name, term] : enabled_auxiliary(plan))
    if (const PairEmbedding* const heads = losses.embedding(name); heads && is_trained(*term))
      return {name, heads};
  return {};
}

}  // namespace ktrain
