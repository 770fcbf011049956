// The same regions of both streams before they are fused, as unit vectors that can be compared.
#pragma once

#include <cstdint>

#include "models/auxiliary/auxiliary.h"
#include "models/layers.h"
#include "runtime/ops_contrast.h"

namespace ktrain {

enum class PairLevel : std::uint8_t { kRoi, kImage };

struct PairEmbeddingOptions {
  PairLevel level = PairLevel::kRoi;
  std::int64_t per_image = 64;  // regions of an image; its positives beyond that are left out
  std::int64_t pool = 3;        // cells along a region's side; an image is one cell
  std::int64_t hidden = 256, channels = 128;  // of the projection
  bool shared = false;                        // one head for both streams
};

// Linear, ReLU, Linear: no normalisation over the batch, which would tell rows of one another.
// Parameters fc0.{weight,bias}, fc1.{weight,bias}.
class ProjectionHead {
 public:
  ProjectionHead(const Maker& maker, std::int64_t inputs, std::int64_t hidden,
                 std::int64_t outputs);
  [[nodiscard]] Tensor operator()(const Tensor& rows) const;  // rows x outputs

 private:
  Linear fc0_, fc1_;
};

// A head per stream, or one that both share: parameters visible.* and thermal.*, or shared.*, below
// the maker's place.
class PairEmbedding {
 public:
  PairEmbedding(const Maker& maker, const DetectorOptions& detector,
                const PairEmbeddingOptions& options);

  [[nodiscard]] const PairEmbeddingOptions& options() const { return options_; }
  [[nodiscard]] PairRows rows(const AuxiliaryInput& input) const;
  // N x channels, rows of unit length. A row that is none is projected like any other: mask it.
  [[nodiscard]] Tensor visible(const Pyramid& pyramid, const PairRows& rows) const;
  [[nodiscard]] Tensor thermal(const Pyramid& pyramid, const PairRows& rows) const;

 private:
  [[nodiscard]] Tensor embed(const ProjectionHead& head, const Pyramid& pyramid,
                             const PairRows& rows) const;

  PairEmbeddingOptions options_;
  std::int32_t num_classes_;
  ProjectionHead visible_, thermal_;
};

}  // namespace ktrain
