#include "train/monitor/drift.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "tests/support/temporary_folder.h"
#include "train/monitor/anchors.h"
#include "train/monitor/drift_reference.h"

namespace ktrain::test {
namespace {

using Json = nlohmann::json;

LayerStatistics layer(std::vector<ChannelMoments> channels) {
  return {"visible.layer1.0.conv1", std::move(channels)};
}

TEST(DriftTest, AShiftOfEveryChannelIsWhatTheQuantilesSay) {
  const LayerStatistics before = layer({{0, 1}, {2, 4}, {-1, 9}});
  const LayerStatistics after = layer({{-2, 1}, {6, 4}, {5, 9}});  // by 2 sigma each
  const LayerDrift drift = layer_drift(after, before);
  EXPECT_EQ(drift.channels, 3);
  EXPECT_EQ(drift.still, 0);
  EXPECT_DOUBLE_EQ(*drift.z95, 2);
  EXPECT_DOUBLE_EQ(*drift.r95, 0);
  EXPECT_DOUBLE_EQ(*drift.kl50, 2);
  EXPECT_DOUBLE_EQ(*drift.kl95, 2);
}

TEST(DriftTest, TheTopChannelsAreNamedAndStillOnesLeftOut) {
  const LayerStatistics before = layer({{0, 1}, {5, 0}, {0, 1}, {0, 1}, {0, 1}});
  const LayerStatistics after = layer({{0, 1}, {7, 1}, {3, 1}, {0, 0}, {1, 1}});
  const LayerDrift drift = layer_drift(after, before);
  EXPECT_EQ(drift.still, 2);  // one that never moved in the reference, one that does no more
  using Top = std::vector<std::pair<std::int64_t, double>>;
  EXPECT_EQ(drift.top, (Top{{2, 4.5}, {4, 0.5}, {0, 0.0}}));
  EXPECT_DOUBLE_EQ(*drift.kl50, 0.5);
  const LayerDrift nothing = layer_drift(layer({{1, 0}}), layer({{1, 0}}));
  EXPECT_EQ(nothing.still, 1);
  EXPECT_FALSE(nothing.kl95);
  EXPECT_THROW((void)layer_drift(after, layer({{0, 1}})), Error);
  EXPECT_THROW((void)layer_drift({"visible.layer1.0.conv2", before.channels}, before), Error);
}

struct Weights {
  Weights() {
    add("visible.backbone.layer1.0.conv1.weight", {3, 4}, ParameterKind::kWeight);
    add("visible.backbone.layer1.0.bn1.running_mean", {5}, ParameterKind::kBuffer);
    add("rpn_head.rpn_conv.weight", {0}, ParameterKind::kWeight);
    add("aux.macl.scale", {1}, ParameterKind::kWeight);
    add("msp.visible.weight", {2}, ParameterKind::kWeight);
  }
  void add(const std::string& name, std::vector<float> values, ParameterKind kind) {
    parameters.add(name,
                   Tensor::from<float>(context, {static_cast<std::int64_t>(values.size())}, values),
                   kind);
  }
  ContextPtr context = make_cpu_context();
  ParameterSet parameters;
};

TEST(DriftTest, WeightDriftIsTheRelativeLengthOfTheChange) {
  const Weights weights;
  std::vector<GroupDrift> groups = {{"visible.layer1", 0.5, {}, {}, {}, {}}};
  add_weight_drift(
      weights.parameters,
      [](const Parameter& parameter) -> std::vector<float> {
        if (parameter.name == "aux.macl.scale") return {};
        std::vector<float> before = parameter.value.to_vector<float>();
        for (float& value : before) value *= 2;
        return before;
      },
      groups);
  // Half of what it was; buffers, what the reference lacks and what was 0 say nothing.
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_DOUBLE_EQ(*groups[0].dw, 0.5);
  EXPECT_EQ(groups[1].group, "fusion") << "as the conflict monitor counts it";
  EXPECT_DOUBLE_EQ(*groups[1].dw, 0.5);
  EXPECT_EQ(groups[0].cka, 0.5);
}

// A stream of one map, 2 images of at most 4 x 8 pixels in a slot of 8 x 8, a third slot empty.
struct Observed {
  Observed() {
    batch.batch = 3;
    batch.count = 2;
    batch.height = batch.width = 8;
    batch.sizes = {{8, 8}, {4, 8}, {}};
    batch.box_counts = {0, 0, 0};
    batch.indices = {0, 1, -1};
  }
  // Stride 2: 4 x 4 positions of 1 channel, `inside` on the images and `outside` elsewhere.
  [[nodiscard]] Tensor map(float first, float second, float outside) const {
    std::vector<float> values(48, outside);
    for (std::size_t i = 0; i < 16; ++i) values[i] = first;
    for (std::size_t i = 0; i < 8; ++i) values[16 + i] = second;  // its upper half
    return Tensor::from<float>(context, {3, 4, 4, 1}, values);
  }
  ContextPtr context = make_cpu_context();
  PairBatch batch;
  DetectorInput input;
};

TEST(DriftTest, PaddingAndEmptySlotsAreNotMeasured) {
  Observed seen;
  ActivationRecorder recorder(Depth::kEverything);
  recorder.begin(seen.batch, seen.input);
  recorder.stream("thermal");
  recorder.convolution("thermal.backbone.conv1", seen.map(1, 4, 1000));
  recorder.convolution("thermal.backbone.layer2.0.conv1", seen.map(3, 3, 1000));
  recorder.stage("layer2", seen.map(1, 4, 1000));
  const Activations found = std::move(recorder).take();
  ASSERT_EQ(found.layers.size(), 2u);
  EXPECT_EQ(found.layers[0].layer, "thermal.stem.conv1");
  // 16 ones and 8 fours.
  EXPECT_DOUBLE_EQ(found.layers[0].channels[0].mean, 2);
  EXPECT_DOUBLE_EQ(found.layers[0].channels[0].variance, 2);
  EXPECT_EQ(found.layers[1].layer, "thermal.layer2.0.conv1");
  EXPECT_TRUE(is_still(found.layers[1].channels[0]));
  ASSERT_EQ(found.features.size(), 1u);
  EXPECT_EQ(found.features[0].group, "thermal.layer2");
  EXPECT_EQ(found.features[0].rows.rows, 32);  // 4 x 4 cells of two images
  for (std::int64_t i = 0; i < 32; ++i)
    EXPECT_EQ(found.features[0].rows(i, 0), i < 16 ? 1 : 4) << i;
}

TEST(DriftTest, ASharedBackboneIsCountedByStream) {
  Observed seen;
  ActivationRecorder recorder(Depth::kLayers);
  recorder.begin(seen.batch, seen.input);
  for (const char* const stream : {"visible", "thermal"}) {
    recorder.stream(stream);
    recorder.convolution("shared.backbone.layer1.0.conv1", seen.map(1, 4, 0));
    recorder.stage("layer1", seen.map(1, 4, 0));
  }
  const Activations found = std::move(recorder).take();
  ASSERT_EQ(found.layers.size(), 2u);
  EXPECT_EQ(found.layers[0].layer, "visible.layer1.0.conv1");
  EXPECT_EQ(found.layers[1].layer, "thermal.layer1.0.conv1");
  EXPECT_TRUE(found.features.empty());  // the layers alone
}

Activations two_parts() {
  Activations a;
  a.layers = {layer({{0.1, 1.0 / 3}, {2, 4}}), {"visible.layer1.0.conv2", {{-1, 7}}}};
  a.features = {{"visible.layer1", {5, 2, {1, 0, 0, 1, -1, 0.5, 3, 2, 0, 4}}}};
  return a;
}

TEST(DriftTest, AReferenceComesBackFromItsFileToTheBit) {
  const TemporaryFolder folder;
  const std::string path = std::string(folder / "reference.safetensors");
  const Weights weights;
  const DriftReference before{"#12345678", "somewhere", "a\nb\n", "hash", two_parts()};
  for (int twice = 0; twice < 2; ++twice)  // and replaces what is there
    save_drift_reference(real_file_system(), path, before, weights.parameters, {"aux.macl.scale"});
  const LoadedCheckpoint file = read_checkpoint_file(real_file_system(), path);
  const DriftReference after = load_drift_reference(file);
  EXPECT_EQ(after.hash, before.hash);
  EXPECT_EQ(after.source, before.source);
  EXPECT_EQ(after.anchors, before.anchors);
  EXPECT_EQ(after.data, before.data);
  for (const LayerDrift& drift : layer_drifts(after.activations, before.activations)) {
    EXPECT_EQ(*drift.z95, 0);
    EXPECT_EQ(*drift.kl95, 0);
  }
  EXPECT_EQ(after.activations.features[0].rows.values, two_parts().features[0].rows.values);
  std::vector<GroupDrift> groups;
  add_weight_drift(weights.parameters, reference_weights(file), groups);
  ASSERT_EQ(groups.size(), 2u);  // not the loss's own, which the reference lacks
  EXPECT_EQ(*groups[0].dw, 0);
  // A checkpoint of a run is none.
  const std::string other = std::string(folder / "other.safetensors");
  (void)write_checkpoint_file(real_file_system(), other, {}, {{"step", "3"}});
  EXPECT_THROW((void)load_drift_reference(read_checkpoint_file(real_file_system(), other)), Fault);
}

TEST(DriftTest, RecordsLeaveOutWhatWasNotMeasured) {
  DriftRecord record{.step = 7,
                     .epoch = 2,
                     .reference = "#12345678",
                     .anchors = 4,
                     .layers = {},
                     .groups = {},
                     .seconds = 0.5};
  record.layers = {layer_drift(layer({{1, 1}}), layer({{0, 1}})),
                   layer_drift(layer({{1, 0}}), layer({{0, 1}}))};
  record.layers[1].layer = "visible.layer1.0.conv2";
  record.groups = feature_drifts(two_parts(), two_parts());
  const Json json = Json::parse(drift_json(record));
  EXPECT_EQ(json["kind"], "drift");
  EXPECT_EQ(json["step"], 7);
  EXPECT_EQ(json["layers"]["visible.layer1.0.conv1"]["z95"], 1);
  EXPECT_EQ(json["layers"]["visible.layer1.0.conv1"]["top"], Json::parse("[[0, 0.5]]"));
  EXPECT_FALSE(json["layers"]["visible.layer1.0.conv2"].contains("kl95"));
  EXPECT_EQ(json["layers"]["visible.layer1.0.conv2"]["still"], 1);
  EXPECT_NEAR(json["groups"]["visible.layer1"]["cka"].get<double>(), 1, 1e-12);
  EXPECT_FALSE(json["groups"]["visible.layer1"].contains("dw"));

  BoxFeatures boxes{
      {4, 2, {2, 0, 0, 3, 1, 0, 0, 1}}, {4, 2, {1, 0, 0, 1, 5, 0, 0, 7}}, {0, 0, 1, 1}};
  const auto embedding = embedding_record(boxes, "roi");
  ASSERT_TRUE(embedding);
  const Json line = Json::parse(embedding_json(*embedding));
  EXPECT_EQ(line["align"], 0);  // equal up to length
  EXPECT_EQ(line["auc"], 0.5);
  EXPECT_EQ(line["boxes"], 4);
  EXPECT_FALSE(line.contains("fnr"));
  EXPECT_FALSE(embedding_record({}, "roi"));
}

}  // namespace
}  // namespace ktrain::test
