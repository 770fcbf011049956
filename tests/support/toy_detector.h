// A detector of a few thousand weights with two images of 64x64, trained by plain steps downhill,
// in any context and with maps of any type. It chooses no regions, so that a small difference stays
// one: every anchor is proposed, nothing is suppressed and every proposal is trained on.
#pragma once

#include <cmath>
#include <vector>

#include "models/detector.h"

namespace ktrain::test {

inline DetectorOptions toy_options(DType maps, Norm norm = Norm::kBatch) {
  DetectorOptions options;
  options.maps = maps;
  options.backbone = {.depth = 18, .width = 0.0625, .frozen_stages = 0, .norm = norm};
  options.channels = 8;
  options.rpn.nms_pre = options.rpn.nms_pre_test = 2000;
  options.rpn.max_proposals = 1100;
  options.rpn.nms = 1.0f;
  options.rpn.samples = 64;
  options.roi.samples = 1200;
  options.roi.positive_share = 1.0;
  options.roi.fc_channels = 8;
  options.roi.pool = 3;
  return options;
}

class ToyDetector {
 public:
  ToyDetector(ContextPtr where, const DetectorOptions& options)
      : context(std::move(where)), detector(context, options, 3, parameters) {
    const Shape image = {2, 64, 64, 3};
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(image.size()));
    const auto picture = [&](std::uint32_t state) {
      for (std::uint8_t& byte : bytes)
        byte = static_cast<std::uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
      return Tensor::from<std::uint8_t>(context, image, bytes);
    };
    input.visible = picture(1);
    input.thermal = picture(2);
    const std::vector<std::int32_t> sizes = {64, 64, 48, 64}, counts = {1, 1};
    const std::vector<float> ones = {1, 1, 1, 1}, boxes = {8, 8, 24, 40, 20, 4, 36, 36};
    input.sizes = Tensor::from<std::int32_t>(context, {2, 2}, sizes);
    input.scales = Tensor::from<float>(context, {2, 2}, ones);
    input.targets.boxes = {Tensor::from<float>(context, {2, 1, 4}, boxes),
                           Tensor::from<std::int32_t>(context, {2}, counts)};
    input.targets.classes = Tensor::zeros(context, {2, 1}, DType::kI32);
    input.targets.ignored = {Tensor::zeros(context, {2, 1, 4}),
                             Tensor::zeros(context, {2}, DType::kI32)};
    input.counters = Tensor::zeros(context, {2, 2}, DType::kI32);
  }

  struct Report {
    std::vector<double> terms;
    double total = 0, gradient_norm = 0;
  };
  // Losses and gradients here, then weight -= rate * gradient.
  Report step(float rate) {
    const DetectorLosses losses = detector.losses(input);
    const std::vector<Tensor> terms = {losses.rpn_cls, losses.rpn_bbox, losses.roi_cls,
                                       losses.roi_bbox};
    const Tensor total = weighted_sum(terms, std::vector<float>(terms.size(), 1.0f));
    gradients = backward(total, parameters);
    Report report;
    for (const Tensor& term : terms) report.terms.push_back(static_cast<double>(term.item()));
    report.total = static_cast<double>(total.item());
    for (std::size_t p = 0; p < gradients.size(); ++p) {
      if (!gradients[p].defined()) continue;
      const std::vector<float> gradient = gradients[p].to_vector<float>();
      std::vector<float> weight = parameters.all()[p].value.to_vector<float>();
      for (std::size_t i = 0; i < weight.size(); ++i) {
        report.gradient_norm += std::pow(static_cast<double>(gradient[i]), 2);
        weight[i] -= rate * gradient[i];
      }
      parameters.all()[p].value.copy_from<float>(weight);
    }
    report.gradient_norm = std::sqrt(report.gradient_norm);
    return report;
  }
  [[nodiscard]] std::vector<float> weights() const {
    std::vector<float> all;
    for (const Parameter& parameter : parameters.all()) {
      const std::vector<float> values = parameter.value.to_vector<float>();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

  ContextPtr context;
  ParameterSet parameters;
  TwoStreamDetector detector;
  DetectorInput input;
  std::vector<Tensor> gradients;
};

// Maps that are rounded on the longest way to a loss: the image, the stem's three, seven in each of
// eight blocks, five in the pyramid, two in fusion, three in the RoI head; and a copy of the
// weights in each of 25 layers. A rounding is off by 2^-8 of a number at most, evenly, so by 2^-8 /
// sqrt(3) in the mean; roundings are independent, normalisations keep their share of a map.
inline double rounding_deviation() {
  constexpr double kRoundings = 1 + 3 + 8 * 7 + 5 + 2 + 3 + 25;
  return std::sqrt(kRoundings) / 256 / std::sqrt(3.0);
}

}  // namespace ktrain::test
