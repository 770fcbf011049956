#include "models/auxiliary/macl.h"

#include <algorithm>
#include <cmath>

#include "runtime/ops_contrast.h"

namespace ktrain {
namespace {

const double kMostLogScale = std::log(100.0);

std::vector<SideNumber> side_numbers(const InfoNceResult& result, const Tensor& quality) {
  const Tensor loss = result.loss.detached(), stats = result.stats;
  const auto stat = [stats](InfoNceStat which) {
    return static_cast<double>(stats.to_vector<float>()[which]);
  };
  std::vector<SideNumber> side = {
      {"macl_rel", [=] { return static_cast<double>(loss.item()) / stat(kStatChance); }},
      {"macl_pairs", [=] { return stat(kStatRows); }},
      {"macl_anchors", [=] { return stat(kStatAnchors); }},
      {"macl_negatives_min", [=] { return stat(kStatLeastNegatives); }},
      {"macl_negatives_mean", [=] { return stat(kStatMeanNegatives); }},
      {"macl_first", [=] { return stat(kStatFirst); }},
      {"macl_temperature", [=] { return 1.0 / stat(kStatScale); }}};
  if (quality.defined())
    side.push_back({"macl_quality", [quality] {
                      const auto values = quality.to_vector<float>();
                      double sum = 0;
                      for (const float value : values) sum += static_cast<double>(value);
                      return sum / static_cast<double>(values.size());
                    }});
  return side;
}

Pyramid detached(const Pyramid& pyramid) {
  Pyramid copy;
  for (std::size_t i = 0; i < copy.size(); ++i) copy[i] = pyramid[i].detached();
  return copy;
}

// Of each valid row the one that follows, of the last the first; other rows are their own.
std::vector<std::int64_t> next_rows(const Tensor& valid) {
  const Span<const float> marks = valid.span<float>();
  std::vector<std::int64_t> next(static_cast<std::size_t>(marks.size)), rows;
  for (std::int64_t i = 0; i < marks.size; ++i) {
    next[static_cast<std::size_t>(i)] = i;
    if (marks[i] != 0) rows.push_back(i);
  }
  for (std::size_t k = 0; k < rows.size(); ++k)
    next[static_cast<std::size_t>(rows[k])] = rows[(k + 1) % rows.size()];
  return next;
}

// y[i] = x[next[i]]; a permutation, so that its gradient goes back the same way.
Tensor shuffled(const Tensor& x, const Tensor& valid) {
  const std::int64_t channels = x.size(1);
  const auto move = [channels, valid = valid.detached()](const Tensor& from, bool back) {
    Tensor to = Tensor::empty_like(from);
    run_on_cpu(from.queue(), "shuffle_rows", [&] {
      const std::vector<std::int64_t> next = next_rows(valid);
      for (std::int64_t i = 0; i < std::ssize(next); ++i) {
        const std::int64_t j = next[static_cast<std::size_t>(i)];
        const float* const source = from.span<float>().data + (back ? i : j) * channels;
        std::copy(source, source + channels,
                  to.mutable_span<float>().data + (back ? j : i) * channels);
      }
    });
    return to;
  };
  return record("shuffle_rows", {x}, move(x, false),
                [move](const Tensor& dy, const Wanted&) { return std::vector{move(dy, true)}; });
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
  if (options_.control == MaclControl::kShuffled) in.v = shuffled(in.v, rows.valid);
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
  return {result.loss, result.anchors, side_numbers(result, quality), {}};
}

void MaclTerm::after_step(const DetectorInput&, const AuxiliaryResult&, std::int64_t) {
  if (options_.learned_temperature && !options_.loss.raw_temperature)
    clamp_in_place(scale_, 0, kMostLogScale);
}

}  // namespace ktrain
