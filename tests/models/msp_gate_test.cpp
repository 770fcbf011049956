#include "models/msp_gate.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/detector.h"
#include "tests/support/close.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

struct Gate {
  ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  MspGate gate{Maker(context, parameters, 3) / "msp", 4};

  void put(const std::string& name, const std::vector<float>& values) {
    parameters.find(name)->value.copy_from<float>(values);
  }
  [[nodiscard]] Pyramid pyramid() const {
    Pyramid levels;
    for (std::size_t i = 0; i < levels.size(); ++i) {
      const auto side = static_cast<std::int64_t>(levels.size() - i);
      levels[i] = test::random_leaf(context, {2, side, side, 4}, static_cast<unsigned>(i));
    }
    return levels;
  }
};

double sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

TEST(MspGate, HasOneSetOfParametersForAllLevels) {
  const Gate g;
  std::vector<std::string> names;
  for (const Parameter& p : g.parameters.all()) names.push_back(p.name);
  EXPECT_THAT(names, testing::ElementsAre("msp.0.weight", "msp.0.bias", "msp.1.weight",
                                          "msp.1.bias", "msp.alpha"));
}

TEST(MspGate, AmplifiesEveryLevelByItsFormula) {
  Gate g;
  const std::vector<float> w0 = {0.3f, -1, 0.5f, 2}, w1 = {1, 0.25f, -0.5f, 0.125f};
  g.put("msp.0.weight", w0);
  g.put("msp.1.weight", w1);
  g.put("msp.0.bias", {0.5f});
  g.put("msp.1.bias", {-0.75f});
  g.put("msp.alpha", {-0.3f});
  const Pyramid in = g.pyramid(), out = g.gate(in);
  for (std::size_t level = 0; level < in.size(); ++level) {
    const auto x = in[level].to_vector<float>();
    std::vector<double> want;
    for (std::size_t p = 0; p < x.size(); p += 4) {
      double z = 0.5 - 0.75;
      for (std::size_t c = 0; c < 4; ++c) z += (double{w0[c]} + w1[c]) * x[p + c];
      for (std::size_t c = 0; c < 4; ++c)
        want.push_back(x[p + c] * (1 + sigmoid(-0.3f) * sigmoid(z)));
    }
    // A handful of roundings of values up to 2.
    EXPECT_TRUE(test::all_close(out[level].to_vector<float>(), want, 1e-6, 0)) << level;
  }
}

TEST(MspGate, StartsNearAGainOf131AndTrainsBothProjectionsAlike) {
  const Gate g;
  const Pyramid in = g.pyramid(), out = g.gate(in);
  const auto x = in[0].to_vector<float>(), y = out[0].to_vector<float>();
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i] / x[i], 1.311, 0.02);
  const Tensor dy = test::random_leaf(g.context, out[0].shape(), 9).detached();
  const std::vector<Tensor> wrt = {g.parameters.find("msp.0.weight")->value,
                                   g.parameters.find("msp.1.weight")->value,
                                   g.parameters.find("msp.alpha")->value};
  const auto got = gradients({out.data(), 1}, {&dy, 1}, wrt);
  EXPECT_EQ(got[0].to_vector<float>(), got[1].to_vector<float>());
  EXPECT_NE(got[2].item(), 0);
}

DetectorOptions small(bool msp) {
  DetectorOptions options;
  options.msp = msp;
  options.backbone.depth = 18;
  options.backbone.width = 0.0625;
  options.channels = 8;
  options.roi.fc_channels = 8;
  return options;
}

std::vector<std::string> names_of(const ParameterSet& set) {
  std::vector<std::string> names;
  for (const Parameter& p : set.all()) names.push_back(p.name);
  return names;
}

TEST(MspGate, OfTheDetectorIsOffUnlessAskedFor) {
  const ContextPtr context = make_cpu_context();
  ParameterSet without, with;
  const TwoStreamDetector plain(context, small(false), 1, without);
  const TwoStreamDetector gated(context, small(true), 1, with);
  EXPECT_THAT(names_of(without), testing::Not(testing::Contains(testing::StartsWith("msp."))));
  EXPECT_EQ(with.all().size(), without.all().size() + 5);
  // Everything else starts as it does without.
  for (const Parameter& p : without.all())
    EXPECT_EQ(p.value.to_vector<float>(), with.find(p.name)->value.to_vector<float>()) << p.name;
}

}  // namespace
}  // namespace ktrain
