// By output channel: what a conflict in a layer is made of.
#include "train/monitor/channels.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/ops.h"
#include "tests/support/probe.h"
#include "train/monitor/probe.h"
#include "train/monitor/quantities.h"

namespace ktrain {
namespace {

using Floats = std::vector<float>;

// T2: y = W x, L1 = u y1, L2 = v y2: channel c has the part u_c v_c <x1, x2>.
TEST(Channels, OfALinearLayerAreProductsOfTheReadOuts) {
  const ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  const auto constant = [&](const Shape& shape, const Floats& values) {
    return Tensor::from<float>(context, shape, values);
  };
  (void)parameters.add("roi_head.early.weight", constant({3, 3}, Floats(9, 0.1f)),
                       ParameterKind::kWeight);
  const Tensor w =
      parameters.add("roi_head.fc.weight", constant({4, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3}),
                     ParameterKind::kWeight);
  (void)parameters.add("roi_head.fc.bias", constant({4}, {1, 2, 3, 4}), ParameterKind::kBias);
  const Floats u = {1, 3, -2, 0.5f}, v = {-2, 1, 1.5f, 4};
  const double xx = 1 * 0.5 + 2 * -1 + -1 * 2;  // -3.5
  const auto loss = [&](const Floats& x, const Floats& by) {
    return reshape(linear(linear(constant({1, 3}, x), w, {}), constant({1, 4}, by), {}), {1});
  };
  const std::vector<LossTerm> terms = {{"roi_cls", loss({1, 2, -1}, u), 0.5},
                                       {"macl", loss({0.5f, -1, 2}, v), 0.3}};
  OptimizerPlan plan;
  plan.kind = "sgd";
  Optimizer optimizer(plan, parameters);
  const LayerGroups groups(parameters);
  Probe probe(parameters, groups, optimizer, make_axis("deep", terms, 1));
  ProbeInput input{terms, form_total(terms), {}};
  input.channels = {"roi"};
  (void)probe.walk(input);
  ASSERT_EQ(probe.channels().size(), 1u);
  const ChannelDots& found = probe.channels()[0];
  EXPECT_EQ(found.group, "roi");
  EXPECT_EQ(found.layer, "roi_head.fc.weight");
  ASSERT_EQ(found.channels.size(), 4u);
  for (std::size_t c = 0; c < 4; ++c)
    EXPECT_NEAR(found.channels[c](0, 1), double{u[c]} * double{v[c]} * xx, 1e-4) << c;

  ProbeRecord record = probe.record({1, 1}, 0);
  record.step = 60, record.epoch = 2;
  double sum = 0;
  for (const Gram& channel : found.channels) sum += channel(0, 1);
  EXPECT_NEAR(sum, record.groups[0].raw(0, 1), 1e-4) << "the other weights are not reached";
  EXPECT_FALSE(channels_line(record, probe.channels(), "roi", "roi_cls"));
  EXPECT_FALSE(channels_line(record, probe.channels(), "roi", "dhn"));
  const auto json =
      nlohmann::json::parse(channels_line(record, probe.channels(), "roi", "macl").value());
  // u_c v_c xx = 7, -10.5, 10.5, -7, detection with its weight of 0.5.
  ASSERT_EQ(json["channels"].size(), 2u);
  EXPECT_EQ(json["channels"][0]["channel"], 1);
  EXPECT_NEAR(json["channels"][0]["dot"].get<double>(), -5.25, 1e-4);
  EXPECT_NEAR(json["channels"][0]["share"].get<double>(), 0.6, 1e-5);
  EXPECT_EQ(json["channels"][1]["channel"], 3);
  EXPECT_EQ(json["step"], 60);
  const auto named = quantities(
      {1, "channels", 60, 2, channels_line(record, probe.channels(), "roi", "macl").value()},
      "log");
  ASSERT_EQ(named.size(), 2u);
  EXPECT_EQ(named[0].name, "g/roi/ch/det~macl/1");
  EXPECT_NEAR(named[0].value, -5.25, 1e-4);
}

TEST(Channels, TheEightWorstAreSaidAndNoneThatHelps) {
  ProbeRecord record = test::two_losses(test::gram_of(1, 1, 0), {}, 0.5);
  record.step = record.epoch = 1;
  ChannelDots dots{"visible.layer1", "x", {}};
  for (int c = 0; c < 12; ++c) {
    Gram& gram = dots.channels.emplace_back(2);
    gram(0, 0) = gram(1, 1) = 200;
    gram(0, 1) = c % 6 == 5 ? 3.0 : -1.0 - c;
  }
  // Later, but no convolution; the last one, but not reached; of another group.
  ChannelDots flat = dots, still = dots, other = dots;
  dots.order = 5, dots.convolution = true;
  flat.order = 9, flat.layer = "flat";
  still.order = 8, still.convolution = true;
  for (Gram& gram : still.channels) gram = Gram(2);
  other.order = 7, other.convolution = true, other.group = "fusion";
  const std::vector<ChannelDots> all_dots = {flat, other, dots, still};
  EXPECT_FALSE(channels_line(record, all_dots, "rpn", "macl"));
  const auto json =
      nlohmann::json::parse(channels_line(record, all_dots, "visible.layer1", "macl").value());
  EXPECT_EQ(json["layer"], "x");
  ASSERT_EQ(json["channels"].size(), kChannelsSaid);
  EXPECT_EQ(json["channels"][0]["channel"], 10);
  EXPECT_EQ(json["channels"][7]["channel"], 2);
  double all = 0;
  for (int c = 0; c < 12; ++c) all += c % 6 == 5 ? 0 : -1.0 - c;
  EXPECT_NEAR(json["channels"][0]["share"].get<double>(), -11 / all, 1e-12);
}

}  // namespace
}  // namespace ktrain
