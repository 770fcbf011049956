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

// Of -lambda and the shares of each side that are told right; 1/2 is chance.
std::vector<SideFormula> formulas() {
  return {{"domain_lambda", [](const Measured& m) { return 0.0 - double{m.elements[0]}; }},
          {"domain_accuracy", [](const Measured& m) {
             return 0.5 * (double{m.elements[1]} + double{m.elements[2]});
           }}};
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

std::vector<ChangingNumbers> DomainTerm::changing() const {
  if (options_.kind != DomainKind::kGrl) return {};
  return {{factor_, [this](double epoch) {
             return std::vector<float>{static_cast<float>(-reversal_at(epoch))};
           }}};
}

AuxiliaryResult DomainTerm::classify(const Rows& rows, double epoch) const {
  Tensor factor = factor_;
  if (factor.queue().device == Device::kCpu && !factor.queue().planning)
    factor.copy_from<float>(changing()[0].at(epoch));
  AuxiliaryResult result;
  result.measured = {factor};
  std::array<Tensor, 2> losses;
  for (std::size_t side = 0; side < 2; ++side) {
    const Tensor x = scale_gradient(side == 0 ? rows.visible : rows.thermal, factor);
    const Tensor logits = classifier_[1](classifier_[0](x));
    const RowLabels own = row_labels(rows.table.image, static_cast<std::int32_t>(side));
    losses[side] = cross_entropy(logits, own.labels, own.count);
    result.measured.push_back(row_accuracy(logits.detached(), own.labels));
  }
  result.value = weighted_sum({losses[0], losses[1]}, {0.5f, 0.5f});
  result.side = formulas();
  return result;
}

AuxiliaryResult DomainTerm::loss(const AuxiliaryInput& input) const {
  const Rows all = rows(input);
  AuxiliaryResult result;
  if (options_.kind == DomainKind::kGrl)
    result = classify(all, input.epoch);
  else
    result.value =
        mmd({all.visible, all.thermal, all.table.image, all.table.image}, options_.sigma);
  result.rows = all.table.count;
  return result;
}

}  // namespace ktrain
