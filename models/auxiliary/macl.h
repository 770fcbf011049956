// MACL: the modality-aware contrastive loss. What the two streams see of one region should be more
// alike than what they see of different ones: symmetric InfoNCE (kernels/info_nce.h) between
// projections of the visible and the thermal pyramid before fusion.
//
// (Not the Model-Aware Contrastive Learning of arXiv 2207.07874, which shares the abbreviation.)
#pragma once

#include <memory>

#include "models/auxiliary/pair_embedding.h"

namespace ktrain {

// Controls of an experiment, of the loss as it is (none).
enum class MaclControl : std::uint8_t {
  kNone,
  kProjectorOnly,  // no gradient leaves the projection heads: the trunk is not trained by it
  kShuffled,       // each row's partner is the next row's: as large, without the meaning of pairs
};

struct MaclOptions {
  MaclControl control = MaclControl::kNone;
  PairEmbeddingOptions embedding;
  ExclusionRule exclusion;
  InfoNceOptions loss;  // raw_temperature only together with a learned one
  double temperature = 0.07;
  // A parameter log_scale = log(1 / temperature), held within [0, ln 100] after each step; with
  // loss.raw_temperature a parameter `temperature` without limits.
  bool learned_temperature = false;
  bool quality_weighting = false;  // a pair counts as much as its visible image shows
  // The embedding of the better modality gets no gradient: thermal where the visible image's
  // quality is below the threshold, visible elsewhere.
  bool stop_better = false;
  double quality_threshold = 0.5;
};

class MaclTerm : public AuxiliaryTerm {
 public:
  // Parameters below the maker's place: visible.fc0.weight, ..., log_scale.
  MaclTerm(const Maker& maker, const DetectorOptions& detector, const MaclOptions& options);

  [[nodiscard]] std::string_view name() const override { return "macl"; }
  // Rows of the result are the anchors: pairs with enough negatives. A batch without one is worth
  // 0. Side numbers: macl_rel (the value over what equal embeddings would score, ln N when all
  // anchors have N - 1 negatives; NaN without an anchor), macl_pairs, macl_anchors,
  // macl_negatives_min, macl_negatives_mean, macl_first (share of anchors whose partner is the
  // nearest), macl_temperature and, where it is used, macl_quality (mean over images).
  [[nodiscard]] AuxiliaryResult loss(const AuxiliaryInput& input) const override;
  void after_step(const DetectorInput& batch, const AuxiliaryResult& trained,
                  std::int64_t step) override;

  [[nodiscard]] const PairEmbedding* embedding() const override { return &embedding_; }

 private:
  [[nodiscard]] Tensor make_scale(const Maker& maker) const;

  MaclOptions options_;
  PairEmbedding embedding_;
  Tensor scale_;
};

}  // namespace ktrain
