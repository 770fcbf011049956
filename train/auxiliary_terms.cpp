#include "train/auxiliary_terms.h"

#include <optional>

#include "train/alignment_plan.h"

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

}  // namespace

AuxiliarySetup make_auxiliary(const Plan& plan, const DetectorOptions& detector,
                              const Maker& maker) {
  std::vector<std::unique_ptr<AuxiliaryTerm>> terms;
  std::vector<WeightSchedule> weights;
  SharedHeads heads;
  if (switched_on(plan.loss.dhn.weight)) {
    if (!heads.embedding) heads = own_heads(maker, detector, "dhn");
    terms.push_back(std::make_unique<DhnTerm>(maker, heads.below, *heads.embedding, detector,
                                              dhn_options(plan)));
    weights.push_back(plan.loss.dhn.weight);
  }
  if (switched_on(plan.loss.domain.weight)) {
    terms.push_back(std::make_unique<DomainTerm>(maker / "aux" / "domain", detector,
                                                 domain_options(plan), heads.embedding));
    weights.push_back(plan.loss.domain.weight);
  }
  return {AuxiliaryLosses(std::move(terms)), std::move(weights)};
}

}  // namespace ktrain
