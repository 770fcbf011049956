#include "train/monitor/quantities.h"

#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message.h"
#include "tests/support/probe.h"

namespace ktrain {
namespace {

double value_of(const ProbeRecord& record, const std::string& name) {
  const auto value = quantity(record, name);
  EXPECT_TRUE(value) << name;
  return value.value_or(std::nan(""));
}

// T8: g = (10, 1), (1, -5), P = diag(.01, 1).
TEST(Quantities, RawAndPreconditionedSignsCanDiffer) {
  const test::Vectors g = {{10, 1}, {1, -5}};
  const ProbeRecord record = test::two_losses(test::gram_of(g), test::gram_of(g, {0.01, 1}), 0.5);
  EXPECT_EQ(record.groups[0].raw(0, 1), 5);
  EXPECT_NEAR(record.groups[0].preconditioned(0, 1), -4.9, 1e-15);
  EXPECT_NEAR(value_of(record, "g/visible.layer1/cos/det~macl"), 5 / std::sqrt(101.0 * 26), 1e-15);
  EXPECT_NEAR(value_of(record, "g/visible.layer1/pcos/det~macl"), -4.9 / std::sqrt(2.0 * 25.01),
              1e-15);
  EXPECT_NEAR(value_of(record, "g/visible.layer1/tax/macl"), 0.5 * 4.9 / 2, 1e-15);
}

// A loss behind a gradient reversal: the trunk's gradient is not that of its value.
TEST(Quantities, OfAReversedLossNoPredictedChangeIsShown) {
  const test::Vectors g = {{3, 4}, {-4, 0}};
  ProbeRecord record = test::two_losses(test::gram_of(g), {}, 0.5);
  record.predicted = {-2e-4, 1e-4};
  record.real = {-1e-4, -3e-4};
  ASSERT_TRUE(quantity(record, "eff/lin/macl"));
  record.reversed = {"macl"};
  for (const char* name :
       {"eff/pred/macl", "eff/lin/macl", "eff/macl_from_det", "eff/macl_from_macl"})
    EXPECT_FALSE(quantity(record, name)) << name;
  for (const char* name :
       {"eff/real/macl", "eff/pred/det", "eff/lin/det", "eff/det_from_macl", "eff/det_from_det",
        "g/visible.layer1/cos/det~macl", "g/visible.layer1/tax/macl"})
    EXPECT_TRUE(quantity(record, name)) << name;
}

// By hand: g_det = (3, 4), g_macl = (-4, 0), w = .5, P = diag(1, 2), lr 1e-3, momentum .1, clip .5.
TEST(Quantities, ByHand) {
  const test::Vectors g = {{3, 4}, {-4, 0}};
  ProbeRecord record = test::two_losses(test::gram_of(g), test::gram_of(g, {1, 2}), 0.5);
  record.momentum_scale = 0.1;
  record.clip = 0.5;
  record.clip_det = 0.6;
  record.gradient_norm = 4;
  record.groups[0].rv = 0.8;
  record.predicted = {-2e-4, 1e-4};
  record.real = {-1e-4, 0};
  record.features = {{"visible.p2", test::gram_of(3, 2, 0.25)},
                     {"visible.p3", test::gram_of(4, 2, 0.5)},
                     {"thermal.p2", test::gram_of(10, 2, 0)}};
  const std::string b = "g/visible.layer1/";
  EXPECT_EQ(value_of(record, "loss/macl"), 2);
  EXPECT_EQ(value_of(record, "w/applied/macl"), 0.5);
  EXPECT_EQ(value_of(record, b + "norm/det"), 5);
  EXPECT_EQ(value_of(record, b + "norm/macl"), 4);
  EXPECT_EQ(value_of(record, b + "wnorm/macl"), 2);
  EXPECT_EQ(value_of(record, b + "cos/det~macl"), -0.6);
  EXPECT_NEAR(value_of(record, b + "pcos/det~macl"), -12 / (std::sqrt(41.0) * 4), 1e-15);
  // T = (1, 4), ||T||^2 = 17, <det, T> = 19, .5 <macl, T> = -2
  EXPECT_NEAR(value_of(record, b + "share/det"), 19.0 / 17, 1e-15);
  EXPECT_NEAR(value_of(record, b + "share/macl"), -2.0 / 17, 1e-15);
  EXPECT_NEAR(value_of(record, b + "tax/macl"), 0.5 * 12 / 41, 1e-15);
  EXPECT_NEAR(value_of(record, "eff/det_from_macl"), -1e-3 * 0.1 * 0.5 * 0.5 * -12, 1e-18);
  EXPECT_NEAR(value_of(record, "eff/det_from_det"), -1e-3 * 0.1 * 0.5 * 41, 1e-18);
  EXPECT_NEAR(value_of(record, "eff/macl_from_det"), 1e-3 * 0.1 * 0.5 * 12, 1e-18);
  EXPECT_EQ(value_of(record, "eff/pred/det"), -2e-4);
  EXPECT_EQ(value_of(record, "eff/real/macl"), 0);
  EXPECT_EQ(value_of(record, "eff/lin/det"), 0.5);
  EXPECT_EQ(value_of(record, "eff/lin/macl"), 0);
  EXPECT_EQ(value_of(record, "opt/clip"), 0.5);
  EXPECT_EQ(value_of(record, "opt/clip_det"), 0.6);
  EXPECT_EQ(value_of(record, "opt/rv/visible.layer1"), 0.8);
  EXPECT_EQ(value_of(record, "feat/visible.p3/cos/det~macl"), 0.5);
  EXPECT_EQ(value_of(record, "feat/ratio_vis_ir"), 0.5);
  EXPECT_EQ(value_of(record, "probe/interval"), 50);
}

// T9, arithmetic: the quadratic 1/2 ||x||^2 under clipped SGD. g = x, delta = -lr c x.
TEST(Quantities, PredictAQuadratic) {
  const double lr = 0.1, norm = 5, clip = 2 / norm, step = lr * clip * norm;
  ProbeRecord record = test::two_losses(test::gram_of(norm, 0, 0), {}, 0);
  record.learning_rate = lr;
  record.clip = clip;
  record.predicted = {-lr * clip * norm * norm, 0};
  record.real = {record.predicted[0] + step * step / 2, 0};
  EXPECT_NEAR(value_of(record, "eff/det_from_det"), value_of(record, "eff/pred/det"), 1e-15);
  EXPECT_NEAR(value_of(record, "eff/real/det") - value_of(record, "eff/pred/det"),
              0.5 * step * step, 1e-15);
  EXPECT_FALSE(quantity(record, "eff/lin/macl"));
}

TEST(Quantities, HaveNoValueWhereThereIsNoGradient) {
  ProbeRecord record = test::two_losses(test::gram_of(2, 0, 0), test::gram_of(2, 0, 0), 0.5);
  const std::string b = "g/visible.layer1/";
  EXPECT_EQ(value_of(record, b + "norm/macl"), 0);  // that was measured
  for (const char* name : {"cos/det~macl", "pcos/det~macl", "share/macl", "tax/macl"})
    EXPECT_FALSE(quantity(record, b + name)) << name;
  EXPECT_FALSE(quantity(record, "eff/det_from_macl"));
  EXPECT_TRUE(quantity(record, "eff/det_from_det"));
  EXPECT_EQ(value_of(record, b + "share/det"), 1);
  EXPECT_FALSE(quantity(record, "feat/ratio_vis_ir"));
  record.groups[0].raw = record.groups[0].preconditioned = Gram(2);
  for (const Quantity& each : quantities(record)) EXPECT_TRUE(std::isfinite(each.value));
  EXPECT_FALSE(quantity(record, b + "share/det"));
  // Tiny and huge gradients have cosines, too.
  record.groups[0].raw = test::gram_of(1e-150, 1e150, -0.5);
  EXPECT_NEAR(value_of(record, b + "cos/det~macl"), -0.5, 1e-12);
}

TEST(Quantities, CountSharesOfAGroupOnce) {
  ProbeRecord record = test::two_losses(test::gram_of(2, 1, -0.5), {}, 0.5);
  const double alone = value_of(record, "eff/det_from_macl");
  record.groups.push_back(record.groups[0]);
  record.groups[1].group = "visible.layer2";
  EXPECT_EQ(value_of(record, "eff/det_from_macl"), 2 * alone);
  record.groups[1].share = true;
  EXPECT_EQ(value_of(record, "eff/det_from_macl"), alone);
  EXPECT_EQ(value_of(record, "g/visible.layer2/cos/det~macl"), -0.5);
}

TEST(Quantities, OfDetectionInSeveralLosses) {
  const ProbeRecord record = test::full_record(6, 4, 3);
  std::set<std::string> names;
  double shares = 0;
  for (const Quantity& each : quantities(record)) {
    EXPECT_TRUE(names.insert(each.name).second) << each.name << " twice";
    EXPECT_TRUE(std::isfinite(each.value)) << each.name;
    if (each.name.starts_with("g/fusion/share/") && each.name != "g/fusion/share/det")
      shares += each.value;
  }
  EXPECT_NEAR(shares, 1, 1e-12);
  for (const char* name :
       {"loss/det", "loss/roi_cls", "g/fusion/cos/rpn_cls~roi_cls", "g/fusion/pcos/det~dhn",
        "g/fusion/pcos/macl~dhn", "g/fusion/tax/dhn", "eff/det_from_macl", "eff/roi_cls_from_macl",
        "eff/macl_from_det", "eff/lin/det", "feat/visible.p2/cos/det~macl", "feat/ratio_vis_ir"})
    EXPECT_TRUE(names.count(name)) << name;
  EXPECT_FALSE(names.count("g/fusion/tax/rpn_cls"));
  double sum = 0;  // effects add up, by bilinearity
  for (const char* k : {"rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox"})
    sum += value_of(record, std::string("eff/") + k + "_from_macl");
  EXPECT_NEAR(value_of(record, "eff/det_from_macl"), sum, 1e-12 * std::abs(sum));
}

TEST(Quantities, OfTheOtherLines) {
  const auto of = [](const std::string& kind, const std::string& rest) {
    std::vector<std::string> texts;
    const std::string text = R"({"kind":")" + kind + R"(","step":9,"epoch":1,)" + rest + "}";
    for (const Quantity& each : quantities(MonitorLine{4, kind, 9, 1, text}, "m"))
      texts.push_back(fmt::format("{}={:g}", each.name, each.value));
    return texts;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(
      of("window", R"("groups":{"fusion":{"xcos":{"det~macl":{"value":-0.5,"lo":-1,"hi":0},)"
                   R"("det~dhn":{"below_noise":true}},"snr":{"det":2},"self":{"det":0.5}}})"),
      ElementsAre("g/fusion/xcos/det~macl=-0.5", "g/fusion/xcos/det~macl/lo=-1",
                  "g/fusion/xcos/det~macl/hi=0", "g/fusion/snr/det=2", "g/fusion/self/det=0.5"));
  EXPECT_THAT(of("loo", R"("loss":"macl","delta_det":[1],"mean":1,"lo":0.5,"hi":2)"),
              ElementsAre("eff/loo/macl=1", "eff/loo/macl/lo=0.5", "eff/loo/macl/hi=2"));
  EXPECT_THAT(of("loo", R"("loss":"macl","delta_det":[1],"mean":1)"),
              ElementsAre("eff/loo/macl=1"));
  EXPECT_THAT(of("audit", R"("configured":{"macl":0.05},"applied":{"macl":0.1})"),
              ElementsAre("w/cfg/macl=0.05", "w/applied/macl=0.1"));
  EXPECT_THAT(of("drift", R"("reference":"#1","layers":{"a.b":{"z95":1}},"groups":{"a":{"dw":2}})"),
              ElementsAre("drift/a.b/z95=1", "drift/a/dw=2"));
  EXPECT_THAT(of("embedding", R"("align":1,"auc":null)"), ElementsAre("emb/align=1"));
  EXPECT_THAT(of("later", R"("x":1)"), ElementsAre());
  EXPECT_THAT(test::message_of([&] { of("loo", R"("loss":"macl")"); }),
              testing::HasSubstr("KT-DATA-060: m:4: found no 'mean'"));
}

TEST(Quantities, PatternsFitNames) {
  EXPECT_TRUE(matches("g/*/pcos/*", "g/visible.stem/pcos/det~macl"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("a*b*c", "aXbXbc"));
  EXPECT_FALSE(matches("a*b*c", "aXbXb"));
  EXPECT_FALSE(matches("cos", "pcos"));
  EXPECT_TRUE(matches("opt/clip", "opt/clip"));
  EXPECT_FALSE(matches("opt/clip", "opt/clip_det"));
}

}  // namespace
}  // namespace ktrain
