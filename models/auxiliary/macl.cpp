#include "models/auxiliary/macl.h"

#include <cmath>

#include "runtime/ops_alignment.h"
#include "runtime/ops_contrast.h"

namespace ktrain {
namespace {

const double kMostLogScale = std::log(100.0);

// Of the statistics, and then of the images' mean quality where there is one.
std::vector<SideFormula> formulas(bool quality) {
  const auto stat = [](InfoNceStat which) {
    return [which](const Measured& m) { return static_cast<double>(m.elements[which]); };
  };
  std::vector<SideFormula> side = {
      {"macl_rel", [](const Measured& m) { return m.value / double{m.elements[kStatChance]}; }},
      {"macl_pairs", stat(kStatRows)},
      {"macl_anchors", stat(kStatAnchors)},
      {"macl_negatives_min", stat(kStatLeastNegatives)},
      {"macl_negatives_mean", stat(kStatMeanNegatives)},
      {"macl_first", stat(kStatFirst)},
      {"macl_temperature", [](const Measured& m) { return 1.0 / double{m.elements[kStatScale]}; }}};
  if (quality)
    side.push_back(
        {"macl_quality", [](const Measured& m) { return double{m.elements[kNumInfoNceStats]}; }});
  return side;
}

// The mean over images; {1, 1}.
Tensor mean_of(const Tensor& per_image) {
  return mean_pixels(per_image.viewed({1, per_image.size(), 1, 1}));
}

Pyramid detached(const Pyramid& pyramid) {
  Pyramid copy;
  for (std::size_t i = 0; i < copy.size(); ++i) copy[i] = pyramid[i].detached();
  return copy;
}

}  // namespace

MaclTerm::MaclTerm(const Maker& maker, const DetectorOptions& detector, const MaclOptions& options)
    : options_(options), embedding_(maker, detector, options.embedding), scale_(make_scale(maker)) {
  KT_CHECK(detector.streams == Streams::kBoth, "macl: needs both streams");
  KT_CHECK(options.temperature > 0, "macl: temperature is {}", options.temperature);
  KT_CHECK(options.learned_temperature || !options.loss.raw_temperature,
           "macl: a raw temperature is a learned one");
}

Tensor MaclTerm::make_scale(const Maker& maker) const {
  const double value =
      options_.loss.raw_temperature ? options_.temperature : -std::log(options_.temperature);
  const MemoryUseScope use(MemoryUse::kParameters);
  if (!options_.learned_temperature) return filled(maker.context(), {1}, static_cast<float>(value));
  return maker.vector(options_.loss.raw_temperature ? "temperature" : "log_scale", 1, value,
                      ParameterKind::kWeight);
}

AuxiliaryResult MaclTerm::loss(const AuxiliaryInput& input) const {
  const PairRows rows = embedding_.rows(input);
  const bool stop = options_.control == MaclControl::kProjectorOnly;
  const Pyramid &visible = *input.detection.visible, &thermal = *input.detection.thermal;
  InfoNceTensors in{embedding_.visible(stop ? detached(visible) : visible, rows),
                    embedding_.thermal(stop ? detached(thermal) : thermal, rows), scale_,
                    rows.valid};
  if (options_.control == MaclControl::kShuffled) in.v = next_rows(in.v, rows.valid);
  in.exclude = exclusions(rows, options_.exclusion);
  Tensor quality;
  if (options_.quality_weighting || options_.stop_better) {
    quality = image_quality(input.batch.visible, input.batch.sizes);
    const Tensor of_rows = of_images(quality, rows);
    if (options_.quality_weighting) in.weight = of_rows;
    if (options_.stop_better) {
      const Tensor dark = below(of_rows, options_.quality_threshold);
      in.u = scale_row_gradients(in.u, dark);
      in.v = scale_row_gradients(in.v, complement(dark));
    }
  }
  const InfoNceResult result = info_nce(in, options_.loss);
  AuxiliaryResult measured{result.loss, result.anchors, {result.stats}, {}, {}};
  if (quality.defined()) measured.measured.push_back(mean_of(quality));
  measured.side = formulas(quality.defined());
  return measured;
}

void MaclTerm::after_step(const DetectorInput&, const AuxiliaryResult&, std::int64_t) {
  if (options_.learned_temperature && !options_.loss.raw_temperature)
    clamp_in_place(scale_, 0, kMostLogScale);
}

}  // namespace ktrain
