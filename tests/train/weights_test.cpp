// Weights in and out of files, their average, and the proof that frozen ones stay.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/simulated_disk.h"
#include "train/frozen_proof.h"
#include "train/load_weights.h"
#include "train/tensor_arrays.h"
#include "train/weight_average.h"

namespace ktrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Floats = std::vector<float>;

struct Model {
  ContextPtr context = make_cpu_context();
  ParameterSet set;

  Tensor add(const std::string& name, const Floats& values,
             ParameterKind kind = ParameterKind::kWeight, bool trainable = true) {
    return set.add(name, Tensor::from<float>(context, {std::ssize(values)}, values), kind,
                   trainable);
  }
  void put(const std::string& name, const Floats& values) {
    set.find(name)->value.copy_from<float>(values);
  }
  [[nodiscard]] Floats get(const std::string& name) const {
    return set.find(name)->value.to_vector<float>();
  }
};

LoadedCheckpoint saved(std::vector<NamedArray> arrays, const std::vector<NamedArray>& more = {}) {
  test::SimulatedDisk disk;
  arrays.insert(arrays.end(), more.begin(), more.end());
  (void)write_checkpoint_file(disk, "weights.safetensors", arrays, {{"step", "1"}});
  return read_checkpoint_file(disk, "weights.safetensors");
}

TEST(WeightAverage, FollowsTheFormula) {
  EXPECT_DOUBLE_EQ(average_momentum(2e-4, 0), 0.9998 * std::exp(-1.0 / 2000) + 2e-4);
  EXPECT_NEAR(average_momentum(2e-4, 100'000), 2e-4, 1e-12);
  Model model;
  model.add("w", {1, 2});
  model.add("running_mean", {5}, ParameterKind::kBuffer);
  WeightAverage average(model.set, 0.3);
  double w = 1, buffer = 5;
  for (int t = 0; t < 6; ++t) {
    const float now = 1 + static_cast<float>(t * t);
    model.put("w", {now, 2});
    model.put("running_mean", {-now});
    average.update();
    const double m = t == 0 ? 1 : (1 - 0.3) * std::exp(-(1.0 + t) / 2000) + 0.3;
    w = (1 - m) * w + m * now;
    buffer = (1 - m) * buffer + m * -now;
  }
  EXPECT_EQ(average.updates(), 6);
  const AverageScope scope(average);
  // Six roundings of numbers up to 26.
  EXPECT_NEAR(model.get("w")[0], w, 1e-5);
  EXPECT_NEAR(model.get("w")[1], 2, 1e-5);
  EXPECT_NEAR(model.get("running_mean")[0], buffer, 1e-5);
}

TEST(WeightAverage, ScopeRestoresTheBits) {
  Model model;
  const Floats start = {0.1f, -0.0f, std::nanf("7"), 1e-42f};
  model.add("w", start);
  WeightAverage average(model.set, 0.5);
  model.put("w", {1, 2, 3, 4});
  {
    const AverageScope scope(average);
    const Floats seen = model.get("w");
    EXPECT_EQ(std::memcmp(seen.data(), start.data(), 16), 0);
  }
  EXPECT_EQ(model.get("w"), (Floats{1, 2, 3, 4}));
}

TEST(WeightAverage, RestoresItsState) {
  Model model;
  model.add("w", {1, 2});
  WeightAverage average(model.set, 0.25);
  average.update();
  model.put("w", {3, 4});
  average.update();
  const LoadedCheckpoint checkpoint = saved(parameter_arrays(model.set), average.state());
  Model other;
  other.add("w", {0, 0});
  WeightAverage restored(other.set, 0.25);
  restored.restore(checkpoint);
  other.put("w", {3, 4});
  model.put("w", {9, 9});
  other.put("w", {9, 9});
  average.update();
  restored.update();
  average.swap();
  restored.swap();
  EXPECT_EQ(model.get("w"), other.get("w"));
  EXPECT_EQ(restored.updates(), 3);
  EXPECT_THROW(WeightAverage(other.set, 0), Error);
}

TEST(LoadWeights, AllMatched) {
  Model model;
  model.add("a.weight", {1, 2});
  model.add("a.running_var", {3}, ParameterKind::kBuffer);
  const LoadedCheckpoint checkpoint = saved(parameter_arrays(model.set));
  Model fresh;
  fresh.add("a.weight", {0, 0});
  fresh.add("a.running_var", {0}, ParameterKind::kBuffer);
  const LoadReport report = load_weights(checkpoint, fresh.set);
  EXPECT_EQ(report.summary(), "2 matched, 0 missing, 0 unexpected, 0 of another shape");
  EXPECT_EQ(fresh.get("a.weight"), (Floats{1, 2}));
  EXPECT_EQ(fresh.get("a.running_var"), (Floats{3}));
}

TEST(LoadWeights, WhatDoesNotFitIsNamedAndNothingIsWritten) {
  Model file, model;
  file.add("a.weight", {1, 2});
  file.add("b.weight", {1, 2});
  file.add("old_head.weight", {1});
  model.add("a.weight", {0, 0});
  model.add("b.weight", {0, 0, 0});
  model.add("fusion.0.weight", {7});
  const LoadedCheckpoint checkpoint = saved(parameter_arrays(file.set));
  const auto message = [&](const LoadOptions& options) -> std::string {
    try {
      (void)load_weights(checkpoint, model.set, options);
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), "KT-CKPT-006");
      EXPECT_EQ(model.get("a.weight"), (Floats{0, 0}));
      return fault.what();
    }
    return "";
  };
  const std::string text = message({});
  EXPECT_THAT(
      text,
      HasSubstr("weights.safetensors: 1 matched, 1 missing, 1 unexpected, 1 of another shape"));
  EXPECT_THAT(text, HasSubstr("another shape: b.weight: F32 [2] there, F32 [3] here"));
  EXPECT_THAT(text, HasSubstr("missing: fusion.0.weight"));
  EXPECT_THAT(text, HasSubstr("unexpected: old_head.weight"));
  LoadOptions allowed;
  allowed.allow_missing = {"fusion."};
  allowed.allow_unexpected = {"old_head."};
  // Leave to lack a tensor is no leave to have it in another shape.
  EXPECT_THAT(message(allowed), HasSubstr("another shape: b.weight"));
  Model fits;
  fits.add("a.weight", {0, 0});
  fits.add("b.weight", {0, 0});
  fits.add("fusion.0.weight", {7});
  const LoadReport report = load_weights(checkpoint, fits.set, allowed);
  EXPECT_THAT(report.missing, ElementsAre("fusion.0.weight"));
  EXPECT_THAT(report.unexpected, ElementsAre("old_head.weight"));
  EXPECT_EQ(fits.get("fusion.0.weight"), (Floats{7}));
}

TEST(LoadWeights, NothingMatchedIsNeverASuccess) {
  Model file, model;
  file.add("x", {1});
  model.add("y", {2});
  LoadOptions all;
  all.allow_missing = all.allow_unexpected = {""};
  EXPECT_THROW((void)load_weights(saved(parameter_arrays(file.set)), model.set, all), Fault);
}

TEST(LoadWeights, OneBranchStandsInForTheOther) {
  Model file, model;
  file.add("visible.conv.weight", {1, 2});
  file.add("rpn.weight", {3});
  model.add("visible.conv.weight", {0, 0});
  model.add("thermal.conv.weight", {0, 0});
  model.add("rpn.weight", {0});
  LoadOptions options;
  options.stand_ins = {{"thermal.", "visible."}};
  const LoadReport report = load_weights(saved(parameter_arrays(file.set)), model.set, options);
  EXPECT_EQ(report.summary(), "2 matched, 1 copied, 0 missing, 0 unexpected, 0 of another shape");
  EXPECT_EQ(model.get("thermal.conv.weight"), (Floats{1, 2}));
}

TEST(LoadWeights, TheAverageIsPreferredAndOptimizerStateIgnored) {
  Model file, model;
  file.add("w", {1, 2});
  WeightAverage average(file.set, 0.5);
  file.put("w", {5, 6});
  const Floats m = {9, 9};
  std::vector<NamedArray> more = average.state();
  more.push_back(named_array("optimizer.m.w", {2}, std::span(m)));
  const LoadedCheckpoint checkpoint = saved(parameter_arrays(file.set), more);
  model.add("w", {0, 0});
  EXPECT_THAT(load_weights(checkpoint, model.set).unexpected, IsEmpty());
  EXPECT_EQ(model.get("w"), (Floats{1, 2}));
  LoadOptions plain;
  plain.prefer_average = false;
  (void)load_weights(checkpoint, model.set, plain);
  EXPECT_EQ(model.get("w"), (Floats{5, 6}));
}

TEST(FrozenProof, FindsWhatMoved) {
  Model model;
  const auto norm = ParameterKind::kNormScale;
  model.add("stem.conv.weight", {1, 2}, ParameterKind::kWeight, false);
  model.add("stem.bn.weight", {1}, norm, false);
  model.add("stem.bn.running_mean", {0}, ParameterKind::kBuffer);
  model.add("layer4.bn.weight", {1}, norm);
  model.add("layer4.bn.running_mean", {0}, ParameterKind::kBuffer);
  const FrozenProof fixed(model.set, Statistics::kFixed), moving(model.set, Statistics::kMoving);
  EXPECT_EQ(fixed.num_tensors(), 4u);
  EXPECT_EQ(moving.num_tensors(), 3u);
  EXPECT_NE(fixed.hash(), moving.hash());
  const auto moved = [](const FrozenProof& proof) -> std::string {
    try {
      proof.check();
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), "KT-BUG-002");
      return fault.what();
    }
    return "";
  };
  model.put("layer4.bn.weight", {2});
  EXPECT_EQ(moved(fixed), "");
  model.put("layer4.bn.running_mean", {0.5});
  EXPECT_THAT(moved(fixed), HasSubstr("'layer4.bn.running_mean' is frozen but has changed"));
  EXPECT_EQ(moved(moving), "");
  model.put("stem.bn.running_mean", {-0.0f});  // equal as a number, not in its bits
  EXPECT_THAT(moved(moving), HasSubstr("'stem.bn.running_mean'"));
  model.put("stem.conv.weight", {1, 2.0000002f});
  EXPECT_THAT(moved(moving), HasSubstr("'stem.conv.weight'"));
}

}  // namespace
}  // namespace ktrain
