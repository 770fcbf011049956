// The term `dhn`: hard negatives out of a queue of thermal keys, for visible queries (after He et
// al. 2020, arXiv 1911.05722).
//
// Rows are those of PairEmbedding, positive regions as a rule. A query is the row's visible
// embedding, with its gradient. Its positive key is the same row through the momentum encoder: a
// slow copy of the thermal branch and its projection head (models/auxiliary/moving_copy.h), without
// gradient. Where another contrastive term trains a projection head for each stream, they are used;
// otherwise one head serves both streams, since nothing would ever train the keys' own. Negatives
// are the `top_k` most similar keys of earlier steps, after what is or may
// be the same person has been left out (MiningRule: the same image, neighbouring frames, the
// anchor's own target, keys too old; the top `guard` share of the rest). The loss is InfoNCE over
// the positive and these negatives; chance is ln(1 + top_k). Keys of a step enter the queue after
// its update, and the encoder follows then. In the first step of a run the encoder is the thermal
// branch itself. An empty queue gives 0.
//
// `polluted` is the form of a known reference: keys of the thermal branch itself, which enter
// before the mining; a queue that starts with random unit vectors, used at once; nothing left out;
// the loss 0.1 mean(-log(1 - sigmoid(s / temperature))) over the negatives, without a positive.
#pragma once

#include <memory>

#include "models/auxiliary/moving_copy.h"
#include "models/auxiliary/pair_embedding.h"
#include "runtime/ops_alignment.h"

namespace ktrain {

struct DhnOptions {
  std::int64_t queue = 4096, top_k = 64;
  double temperature = 0.07;
  double momentum = 0.999;
  MiningRule mining = {.frame_gap = 20, .max_age = 1000, .guard = 0.01};
  bool polluted = false;
  std::uint64_t seed = 0;  // of the random vectors of `polluted`
};

// The thermal branch and the projections, following the model slowly.
class MomentumEncoder {
 public:
  // `below` stands where the parameters of `embedding` are; both are in the set of `root`.
  MomentumEncoder(const Maker& root, const std::vector<std::string>& below,
                  const DetectorOptions& detector, const PairEmbeddingOptions& embedding,
                  double momentum);
  // N x channels, rows of unit length, without gradient.
  [[nodiscard]] Tensor keys(const DetectorInput& batch, const PairRows& rows) const;
  void follow(bool first) { copy_.follow(first); }
  [[nodiscard]] std::vector<NamedTensor> state() const { return copy_.state("momentum"); }

 private:
  MovingCopy copy_;
  ImageStatistics statistics_;
  DType maps_;
  ResNet backbone_;
  Fpn neck_;
  PairEmbedding embedding_;
};

class DhnTerm : public AuxiliaryTerm {
 public:
  // `below` names the place of the parameters of `embedding` under `root`: {"aux", "macl"}.
  DhnTerm(const Maker& root, const std::vector<std::string>& below, const PairEmbedding& embedding,
          const DetectorOptions& detector, const DhnOptions& options);
  [[nodiscard]] std::string_view name() const override { return "dhn"; }
  // Side numbers: dhn_rel (the value over ln(1 + dhn_negatives); not when polluted), dhn_negatives
  // (mined, a row), dhn_fnr (share of the mined that are of the row's own image or of a
  // neighbouring frame; NaN when nothing was mined), dhn_filled (share of the queue), dhn_age
  // (steps, the mean; NaN of an empty queue).
  [[nodiscard]] AuxiliaryResult loss(const AuxiliaryInput& input) const override;
  void after_step(const DetectorInput& batch, const AuxiliaryResult& trained,
                  std::int64_t step) override;
  [[nodiscard]] std::vector<NamedTensor> state() const override;
  [[nodiscard]] const PairEmbedding* embedding() const override { return &embedding_; }
  [[nodiscard]] const KeyQueue& queue() const { return queue_; }

 private:
  [[nodiscard]] Tensor keys_of(const AuxiliaryInput& input, const PairRows& rows) const;

  DhnOptions options_;
  PairEmbedding embedding_;
  std::unique_ptr<MomentumEncoder> encoder_;  // none when polluted
  KeyQueue queue_;
};

}  // namespace ktrain
