#include "models/auxiliary/domain.h"

#include <algorithm>
#include <cmath>

#include "runtime/ops.h"
#include "runtime/ops_alignment.h"

namespace ktrain {
namespace {

Linear layer(const Maker& maker, std::int64_t inputs, std::int64_t outputs, Activation activation) {
  return Linear(maker, inputs, outputs, xavier_uniform({outputs, inputs}), activation);
}

// The mean of a pyramid over pixels, then over levels: batch x channels.
Tensor image_means(const Pyramid& pyramid) {
  std::vector<Tensor> levels;
  for (const Tensor& level : pyramid) levels.push_back(mean_pixels(level));
  return weighted_sum(levels, std::vector<float>(levels.size(), 1.0f / kPyramidLevels));
}

// The mean over a region's cells: regions x channels.
Tensor region_means(const Pyramid& pyramid, const PairRows& rows) {
  constexpr std::int64_t kCells = 3;
  return mean_pixels(
      roi_align({pyramid[0], pyramid[1], pyramid[2], pyramid[3]}, rows.rois, rows.image, kCells));
}

// Share of rows that are told right, both sides counting alike; 1/2 is chance.
double accuracy(const std::array<Tensor, 2>& logits, const std::array<Tensor, 2>& labels) {
  double share = 0;
  for (std::size_t side = 0; side < 2; ++side) {
    const auto z = logits[side].to_vector<float>();
    const auto label = labels[side].to_vector<std::int32_t>();
    double right = 0, all = 0;
    for (std::size_t r = 0; r < label.size(); ++r) {
      if (label[r] < 0) continue;
      all += 1;
      const float other = z[2 * r + 1 - side], own = z[2 * r + side];
      right += own > other ? 1.0 : own == other ? 0.5 : 0.0;
    }
    share += all > 0 ? 0.5 * right / all : 0.0;
  }
  return share;
}

}  // namespace

double reversal_ramp(double p) { return 2 / (1 + std::exp(-10 * std::clamp(p, 0.0, 1.0))) - 1; }

DomainTerm::DomainTerm(const Maker& maker, const DetectorOptions& detector,
                       const DomainOptions& options, const std::optional<PairEmbedding>& embedding)
    : options_(options),
      num_classes_(static_cast<std::int32_t>(detector.num_classes)),
      embedding_(embedding) {
  KT_CHECK(options.reversal_epochs > 0, "domain: the reversal is reached after {} epochs",
           options.reversal_epochs);
  const bool embedded = options.features == DomainFeatures::kEmbedding;
  KT_CHECK(!embedded || embedding, "domain: no term makes the embeddings that it should look at");
  if (options.kind != DomainKind::kGrl) return;
  const std::int64_t channels = embedded ? embedding->options().channels : detector.channels;
  classifier_ = {layer(maker / "fc0", channels, options.hidden, Activation::kRelu),
                 layer(maker / "fc1", options.hidden, 2, Activation::kNone)};
  factor_ = Tensor::zeros(maker.context(), {1});
}

double DomainTerm::reversal_at(double epoch) const {
  return options_.reversal * reversal_ramp(epoch / options_.reversal_epochs);
}

DomainTerm::Rows DomainTerm::rows(const AuxiliaryInput& input) const {
  KT_CHECK(input.detection.visible && input.detection.thermal, "domain: wants both streams");
  const Pyramid &visible = *input.detection.visible, &thermal = *input.detection.thermal;
  if (options_.features == DomainFeatures::kImage)
    return {image_means(visible), image_means(thermal),
            whole_image_rows(input.batch.sizes, input.batch.identity)};
  if (options_.features == DomainFeatures::kEmbedding) {
    PairRows table = embedding_->rows(input);
    return {embedding_->visible(visible, table), embedding_->thermal(thermal, table), table};
  }
  PairRows table =
      positive_rows(input.detection.rois, input.batch.identity, options_.per_image, num_classes_);
  return {region_means(visible, table), region_means(thermal, table), table};
}

AuxiliaryResult DomainTerm::classify(const Rows& rows, double lambda) const {
  Tensor factor = factor_;
  if (!factor.queue().planning)
    factor.copy_from<float>(std::vector<float>{static_cast<float>(-lambda)});
  std::array<Tensor, 2> logits, labels, losses;
  for (std::size_t side = 0; side < 2; ++side) {
    const Tensor x = scale_gradient(side == 0 ? rows.visible : rows.thermal, factor);
    logits[side] = classifier_[1](classifier_[0](x));
    const RowLabels own = row_labels(rows.table.image, static_cast<std::int32_t>(side));
    labels[side] = own.labels;
    losses[side] = cross_entropy(logits[side], own.labels, own.count);
    logits[side] = logits[side].detached();
  }
  AuxiliaryResult result;
  result.value = weighted_sum({losses[0], losses[1]}, {0.5f, 0.5f});
  result.side = {{"domain_lambda", [lambda] { return lambda; }},
                 {"domain_accuracy", [logits, labels] { return accuracy(logits, labels); }}};
  return result;
}

AuxiliaryResult DomainTerm::loss(const AuxiliaryInput& input) const {
  const Rows all = rows(input);
  AuxiliaryResult result;
  if (options_.kind == DomainKind::kGrl)
    result = classify(all, reversal_at(input.epoch));
  else
    result.value =
        mmd({all.visible, all.thermal, all.table.image, all.table.image}, options_.sigma);
  result.rows = all.table.count;
  return result;
}

}  // namespace ktrain
