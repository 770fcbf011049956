#include "models/auxiliary/pair_embedding.h"

namespace ktrain {
namespace {

Linear layer(const Maker& maker, std::int64_t inputs, std::int64_t outputs, Activation activation) {
  return Linear(maker, inputs, outputs, xavier_uniform({outputs, inputs}), activation);
}

// Cells along a side of what is pooled.
std::int64_t cells(const PairEmbeddingOptions& options) {
  return options.level == PairLevel::kRoi ? options.pool : 1;
}

std::int64_t inputs(const DetectorOptions& detector, const PairEmbeddingOptions& options) {
  return cells(options) * cells(options) * detector.channels;
}

}  // namespace

ProjectionHead::ProjectionHead(const Maker& maker, std::int64_t inputs, std::int64_t hidden,
                               std::int64_t outputs)
    : fc0_(layer(maker / "fc0", inputs, hidden, Activation::kRelu)),
      fc1_(layer(maker / "fc1", hidden, outputs, Activation::kNone)) {}

Tensor ProjectionHead::operator()(const Tensor& rows) const { return fc1_(fc0_(rows)); }

PairEmbedding::PairEmbedding(const Maker& maker, const DetectorOptions& detector,
                             const PairEmbeddingOptions& options)
    : options_(options),
      num_classes_(static_cast<std::int32_t>(detector.num_classes)),
      visible_(maker / (options.shared ? "shared" : "visible"), inputs(detector, options),
               options.hidden, options.channels),
      thermal_(options.shared ? visible_
                              : ProjectionHead(maker / "thermal", inputs(detector, options),
                                               options.hidden, options.channels)) {}

PairRows PairEmbedding::rows(const AuxiliaryInput& input) const {
  return options_.level == PairLevel::kRoi
             ? positive_rows(input.detection.rois, input.batch.identity, options_.per_image,
                             num_classes_)
             : whole_image_rows(input.batch.sizes, input.batch.identity);
}

Tensor PairEmbedding::embed(const ProjectionHead& head, const Pyramid& pyramid,
                            const PairRows& rows) const {
  const Tensor pooled = roi_align({pyramid[0], pyramid[1], pyramid[2], pyramid[3]}, rows.rois,
                                  rows.image, cells(options_));
  const Tensor flat =
      reshape(cast(pooled, DType::kF32), {pooled.size(0), pooled.size() / pooled.size(0)});
  return l2_normalize(head(flat));
}

Tensor PairEmbedding::visible(const Pyramid& pyramid, const PairRows& rows) const {
  return embed(visible_, pyramid, rows);
}

Tensor PairEmbedding::thermal(const Pyramid& pyramid, const PairRows& rows) const {
  return embed(thermal_, pyramid, rows);
}

}  // namespace ktrain
