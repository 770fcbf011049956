// The term `domain`: makes the two modalities look alike before they are fused.
//   kMmd  the squared maximum mean discrepancy of visible and thermal rows (kernels/mmd.h)
//   kGrl  a classifier, Linear, ReLU, Linear, tells visible (0) from thermal (1) rows by softmax
//         cross-entropy, the mean of both sides; what reaches the detector is multiplied by
//         -lambda (Ganin and Lempitsky 2015). The classifier learns at full strength. Its loss
//         rising to ln 2 is success. A gradient that is measured at the detector's weights is the
//         one delivered, after reversal.
// Rows are whole images (the mean over the pixels of each level, then over the levels), regions
// (the mean over the cells of a positive region) or embeddings (unit vectors of regions, from the
// heads of another contrastive term).
//
// Parameters of kGrl: fc0.{weight,bias}, fc1.{weight,bias}. kMmd has none.
#pragma once

#include <optional>
#include <vector>

#include "models/auxiliary/pair_embedding.h"

namespace ktrain {

enum class DomainKind : std::uint8_t { kMmd, kGrl };
enum class DomainFeatures : std::uint8_t { kImage, kRegion, kEmbedding };

struct DomainOptions {
  DomainKind kind = DomainKind::kMmd;
  DomainFeatures features = DomainFeatures::kImage;
  std::int64_t hidden = 128;      // of the classifier
  double reversal = 1.0;          // lambda at the end
  double reversal_epochs = 1.0;   // after which it is reached
  std::int64_t per_image = 64;    // regions of an image
  std::vector<float> sigma = {};  // fixed bandwidths; empty: the median heuristic
};

// 2 / (1 + exp(-10 p)) - 1, p held inside [0, 1].
[[nodiscard]] double reversal_ramp(double p);

class DomainTerm : public AuxiliaryTerm {
 public:
  // `embedding` for kEmbedding alone.
  DomainTerm(const Maker& maker, const DetectorOptions& detector, const DomainOptions& options,
             const std::optional<PairEmbedding>& embedding);
  [[nodiscard]] std::string_view name() const override { return "domain"; }
  // Side numbers: domain_lambda and domain_accuracy (kGrl).
  [[nodiscard]] AuxiliaryResult loss(const AuxiliaryInput& input) const override;
  // -lambda (kGrl).
  [[nodiscard]] std::vector<ChangingNumbers> changing() const override;
  // lambda of a position in training.
  [[nodiscard]] double reversal_at(double epoch) const;

 private:
  struct Rows {
    Tensor visible, thermal;  // rows x channels
    PairRows table;
  };
  [[nodiscard]] Rows rows(const AuxiliaryInput& input) const;
  [[nodiscard]] AuxiliaryResult classify(const Rows& rows, double epoch) const;

  DomainOptions options_;
  std::int32_t num_classes_;
  std::optional<PairEmbedding> embedding_;
  std::vector<Linear> classifier_;  // two layers, or none
  Tensor factor_;                   // {1}: -lambda, in memory because it changes every step
};

}  // namespace ktrain
