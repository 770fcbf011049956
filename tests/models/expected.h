// A file of tests/reference/expect_detector.py: options, inputs and what PyTorch computed.
#pragma once

#include <cmath>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/detector.h"
#include "tests/models/formula.h"

namespace ktrain::test {

inline nlohmann::json read_expected(const std::string& name) {
  const std::string path = KT_SOURCE_DIR "/tests/reference/detector_" + name + ".json";
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  return nlohmann::json::parse(in);
}

inline DetectorOptions detector_options(const nlohmann::json& o) {
  DetectorOptions options;
  const std::string streams = o["streams"], fusion = o["fusion"];
  options.streams = streams == "both"      ? Streams::kBoth
                    : streams == "visible" ? Streams::kVisible
                                           : Streams::kThermal;
  options.fusion = fusion == "concat" ? FusionKind::kConcat
                   : fusion == "add"  ? FusionKind::kAdd
                                      : FusionKind::kGated;
  options.shared = o["shared"];
  options.backbone = {.depth = o["depth"],
                      .width = o["width"],
                      .frozen_stages = o["frozen_stages"],
                      .norm = o["norm"] == "batch" ? Norm::kBatch : Norm::kFrozen};
  options.channels = o["channels"];
  options.num_classes = o["classes"];
  options.rpn.nms_pre = o["nms_pre"];
  options.rpn.nms_pre_test = o["nms_pre_test"];
  options.rpn.max_proposals = o["proposals"];
  options.rpn.samples = o["rpn_samples"];
  options.roi.samples = o["roi_samples"];
  options.roi.fc_channels = o["fc"];
  options.roi.max_detections = o["detections"];
  return options;
}

// Lists of different lengths, flattened and padded with zeros to `capacity` of `width` each.
template <class T>
std::vector<T> padded(const nlohmann::json& lists, std::size_t capacity, std::size_t width) {
  std::vector<T> flat;
  for (const auto& list : lists) {
    for (const auto& item : list) {
      if (width == 1)
        flat.push_back(item.get<T>());
      else
        for (const auto& value : item) flat.push_back(value.get<T>());
    }
    flat.resize(flat.size() + (capacity - list.size()) * width);
  }
  return flat;
}

inline DetectorInput detector_input(const ContextPtr& context, const nlohmann::json& expected) {
  constexpr std::int64_t kCapacity = 5;
  const std::int64_t batch = expected["batch"], height = expected["height"];
  const std::int64_t width = expected["width"];
  const auto image = [&](const char* name) {
    return Tensor::from<std::uint8_t>(context, {batch, height, width, 3},
                                      formula_image(name, batch, height, width));
  };
  nlohmann::json boxes, labels, ignored;
  std::vector<std::int32_t> counts, ignored_counts;
  for (const auto& target : expected["targets"]) {
    boxes.push_back(target["boxes"]);
    labels.push_back(target["labels"]);
    ignored.push_back(target["ignore"]);
    counts.push_back(static_cast<std::int32_t>(target["boxes"].size()));
    ignored_counts.push_back(static_cast<std::int32_t>(target["ignore"].size()));
  }
  const auto floats = [&](const Shape& shape, const std::vector<float>& values) {
    return Tensor::from<float>(context, shape, values);
  };
  const auto integers = [&](const Shape& shape, const std::vector<std::int32_t>& values) {
    return Tensor::from<std::int32_t>(context, shape, values);
  };
  DetectorInput input;
  input.visible = image("visible_image");
  input.thermal = image("thermal_image");
  input.sizes = integers({batch, 2}, padded<std::int32_t>({expected["valid"]}, 2, 2));
  input.scales = floats({batch, 2}, padded<float>({expected["scales"]}, 2, 2));
  input.targets.boxes = {floats({batch, kCapacity, 4}, padded<float>(boxes, kCapacity, 4)),
                         integers({batch}, counts)};
  input.targets.classes = integers({batch, kCapacity}, padded<std::int32_t>(labels, kCapacity, 1));
  input.targets.ignored = {floats({batch, kCapacity, 4}, padded<float>(ignored, kCapacity, 4)),
                           integers({batch}, ignored_counts)};
  input.counters = Tensor::zeros(context, {batch, 2}, DType::kI32);
  return input;
}

// The norm, the sum, the sum of magnitudes and a few elements of `x`, against the stored ones.
// `tolerance` is relative: of the norm for the norm, of the sum of magnitudes for the sum, and of
// the root mean square plus the element itself for an element.
inline ::testing::AssertionResult fits_summary(const std::vector<float>& x,
                                               const nlohmann::json& summary, double tolerance) {
  double norm = 0, sum = 0, magnitudes = 0;
  for (const float value : x) {
    norm += static_cast<double>(value) * value;
    sum += value;
    magnitudes += std::abs(value);
  }
  norm = std::sqrt(norm);
  const double want_norm = summary[0], want_sum = summary[1], want_magnitudes = summary[2];
  const auto near = [](double got, double want, double allowed) {
    return std::abs(got - want) <= allowed;  // false for a NaN
  };
  if (!near(norm, want_norm, tolerance * want_norm))
    return ::testing::AssertionFailure() << "norm " << norm << ", want " << want_norm;
  if (!near(sum, want_sum, tolerance * want_magnitudes))
    return ::testing::AssertionFailure() << "sum " << sum << ", want " << want_sum;
  if (!near(magnitudes, want_magnitudes, tolerance * want_magnitudes))
    return ::testing::AssertionFailure()
           << "magnitudes " << magnitudes << ", want " << want_magnitudes;
  const std::size_t elements = x.size() > 16 ? 8 : x.size();
  if (summary.size() != 3 + elements)
    return ::testing::AssertionFailure() << x.size() << " elements, the file has another shape";
  const double size = want_norm / std::sqrt(static_cast<double>(x.size()));
  for (std::size_t i = 0; i < elements; ++i) {
    const std::size_t at = x.size() > 16 ? (2 * i + 1) * x.size() / 16 : i;
    const double want = summary[3 + i];
    if (!near(x[at], want, tolerance * (std::abs(want) + size)))
      return ::testing::AssertionFailure() << "element " << at << " is " << x[at] << ", want "
                                           << want << " (norm " << want_norm << ")";
  }
  return ::testing::AssertionSuccess();
}

}  // namespace ktrain::test
