#include "models/observe.h"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models/detector.h"

namespace ktrain {
namespace {

class Watcher final : public ForwardObserver {
 public:
  void stream(std::string_view name) override { streams.emplace_back(name); }
  void convolution(const std::string& name, const Tensor& y) override {
    convolutions.emplace_back(streams.back() + " " + name, y.to_vector<float>());
  }
  void stage(std::string_view name, const Tensor& y) override {
    stages.emplace_back(name);
    EXPECT_EQ(y.shape().rank(), 4);
  }
  void pyramid(std::span<const Tensor> levels) override {
    EXPECT_EQ(levels.size(), kPyramidLevels);
    pyramids.push_back(levels[0].to_vector<float>());
  }

  std::vector<std::string> streams, stages;
  std::vector<std::pair<std::string, std::vector<float>>> convolutions;
  std::vector<std::vector<float>> pyramids;
};

DetectorOptions small(Norm norm, bool shared = false) {
  DetectorOptions options;
  options.shared = shared;
  options.backbone = {.depth = 18, .width = 0.0625, .frozen_stages = 0, .norm = norm};
  options.channels = 8;
  options.rpn.nms_pre = options.rpn.nms_pre_test = 20;
  options.rpn.max_proposals = 10;
  options.rpn.samples = 16;
  options.roi.samples = 8;
  options.roi.fc_channels = 8;
  options.roi.pool = 3;
  return options;
}

struct Toy {
  explicit Toy(const DetectorOptions& options) : detector(context, options, 3, parameters) {
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

  ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  TwoStreamDetector detector;
  DetectorInput input;
};

template <class F>
void change(Toy& toy, const std::string& name, F&& function) {
  Tensor& value = toy.parameters.find(name)->value;
  std::vector<float> elements = value.to_vector<float>();
  for (float& element : elements) element = function(element);
  value.copy_from<float>(elements);
}

TEST(ObserveTest, ShowsEveryNormalisationsInputUnderItsName) {
  for (const Norm norm : {Norm::kFrozen, Norm::kBatch}) {
    const Toy toy(small(norm));
    Watcher watcher;
    toy.detector.observe(toy.input, watcher);
    EXPECT_EQ(watcher.streams, (std::vector<std::string>{"visible", "thermal"}));
    EXPECT_EQ(watcher.stages,
              (std::vector<std::string>{"stem", "layer1", "layer2", "layer3", "layer4", "stem",
                                        "layer1", "layer2", "layer3", "layer4"}));
    EXPECT_EQ(watcher.pyramids.size(), 2u);
    std::size_t norms = 0;
    for (const Parameter& parameter : toy.parameters.all())
      norms += parameter.name.ends_with("running_mean") ? 1 : 0;
    EXPECT_EQ(watcher.convolutions.size(), norms);
    EXPECT_EQ(watcher.convolutions.front().first, "visible visible.backbone.conv1");
    std::map<std::string, int> seen;
    for (const auto& [name, values] : watcher.convolutions) {
      EXPECT_EQ(++seen[name], 1) << name;
      EXPECT_NE(toy.parameters.find(name.substr(8) + ".weight"), nullptr) << name;
    }
  }
}

// The convolution alone, whatever the statistics that are folded in.
TEST(ObserveTest, ShowsTheConvolutionAndNotItsNormalisation) {
  Toy toy(small(Norm::kFrozen));
  Watcher before, after;
  toy.detector.observe(toy.input, before);
  for (const char* const name : {"running_mean", "running_var", "weight", "bias"})
    change(toy, fmt::format("visible.backbone.layer4.1.bn2.{}", name),
           [](float value) { return value + 0.75f; });
  toy.detector.observe(toy.input, after);
  EXPECT_EQ(before.convolutions, after.convolutions);  // nothing comes after that one but the neck
  EXPECT_NE(before.pyramids[0], after.pyramids[0]);
  // The stem's is linear in its filters.
  change(toy, "visible.backbone.conv1.weight", [](float value) { return 2 * value; });
  Watcher doubled;
  toy.detector.observe(toy.input, doubled);
  for (float& value : after.convolutions[0].second) value *= 2;
  EXPECT_EQ(doubled.convolutions[0], after.convolutions[0]);
}

TEST(ObserveTest, WatchingChangesNoBitOfPredictionsAndLosses) {
  for (const Norm norm : {Norm::kFrozen, Norm::kBatch}) {
    const Toy plain(small(norm)), watched(small(norm));
    Watcher watcher;
    const auto numbers = [](const Toy& toy) {
      const DetectorLosses losses = toy.detector.losses(toy.input);
      std::vector<float> all = {losses.rpn_cls.item(), losses.rpn_bbox.item(),
                                losses.roi_cls.item(), losses.roi_bbox.item()};
      const DetectionTensors found = toy.detector.predict(toy.input);
      const std::vector<float> boxes = found.boxes.boxes.to_vector<float>();
      all.insert(all.end(), boxes.begin(), boxes.end());
      for (const Tensor& gradient : backward(losses.roi_cls, toy.parameters))
        if (gradient.defined()) {
          const std::vector<float> values = gradient.to_vector<float>();
          all.insert(all.end(), values.begin(), values.end());
        }
      for (const Parameter& parameter : toy.parameters.all())
        if (parameter.kind == ParameterKind::kBuffer) {
          const std::vector<float> values = parameter.value.to_vector<float>();
          all.insert(all.end(), values.begin(), values.end());
        }
      return all;
    };
    watched.detector.observe(watched.input, watcher);
    const std::vector<float> wanted = numbers(plain);
    std::vector<float> found;
    {
      const ObserverScope scope(watcher);
      found = numbers(watched);
    }
    EXPECT_EQ(found, wanted);
    EXPECT_EQ(forward_observer(), nullptr);
    EXPECT_GT(watcher.convolutions.size(), 100u);  // three passes of 40
  }
}

TEST(ObserveTest, ASharedBackboneIsSeenOncePerStream) {
  const Toy toy(small(Norm::kFrozen, true));
  Watcher watcher;
  toy.detector.observe(toy.input, watcher);
  std::map<std::string, int> seen;
  for (const auto& [name, values] : watcher.convolutions) ++seen[name];
  EXPECT_EQ(seen.count("visible shared.backbone.conv1"), 1u);
  EXPECT_EQ(seen.count("thermal shared.backbone.conv1"), 1u);
}

}  // namespace
}  // namespace ktrain
