#include "train/monitor/layer_groups.h"

#include <gtest/gtest.h>

#include "train/monitor/probe_axis.h"

namespace ktrain {
namespace {

TEST(LayerGroups, NamesSayTheGroup) {
  EXPECT_EQ(group_of("visible.backbone.conv1.weight"), "visible.stem");
  EXPECT_EQ(group_of("thermal.backbone.bn1.bias"), "thermal.stem");
  EXPECT_EQ(group_of("visible.backbone.layer3.0.conv2.weight"), "visible.layer3");
  EXPECT_EQ(group_of("shared.backbone.layer4.1.bn2.weight"), "shared.layer4");
  EXPECT_EQ(group_of("thermal.neck.lateral_convs.0.conv.bias"), "thermal.neck");
  EXPECT_EQ(group_of("fusion.0.weight"), "fusion");
  EXPECT_EQ(group_of("msp.visible.weight"), "fusion");
  EXPECT_EQ(group_of("rpn_head.rpn_conv.weight"), "rpn");
  EXPECT_EQ(group_of("roi_head.bbox_head.shared_fcs.0.weight"), "roi");
  EXPECT_EQ(group_of("aux.macl.visible.0.weight"), "aux.macl");
}

TEST(LayerGroups, SharedWeightsHaveAWholeAndTwoShares) {
  const ContextPtr context = make_cpu_context();
  ParameterSet set;
  (void)set.add("shared.backbone.conv1.weight", Tensor::zeros(context, {3}),
                ParameterKind::kWeight);
  (void)set.add("shared.backbone.bn1.running_mean", Tensor::zeros(context, {2}),
                ParameterKind::kBuffer);
  (void)set.add("shared.backbone.bn1.weight", Tensor::zeros(context, {2}),
                ParameterKind::kNormScale);
  const LayerGroups groups(set);
  ASSERT_EQ(groups.all().size(), 3u);
  EXPECT_EQ(groups.all()[0].name, "shared.stem");
  EXPECT_EQ(groups.all()[0].elements, 5);
  EXPECT_FALSE(groups.all()[0].share);
  EXPECT_EQ(groups.all()[2].name, "thermal.stem");
  EXPECT_TRUE(groups.all()[2].share);
  EXPECT_EQ(groups.place(2).offset, 3);
  EXPECT_EQ(groups.place(2, 1).group, 2);
  EXPECT_EQ(groups.place(1).group, -1);
}

std::vector<LossTerm> terms(const std::vector<std::pair<std::string, double>>& auxiliary) {
  std::vector<LossTerm> all = {
      {"rpn_cls", {}, 1}, {"rpn_bbox", {}, 1}, {"roi_cls", {}, 2}, {"roi_bbox", {}, 0}};
  for (const auto& [name, weight] : auxiliary) all.push_back({name, {}, weight});
  return all;
}

TEST(ProbeAxis, WatchHasOneEntryForEachKindOfLoss) {
  const ProbeAxis axis =
      make_axis("watch", terms({{"macl", 0.3}, {"dhn", 0.1}, {"domain", 0.5}}), 4);
  ASSERT_EQ(axis.losses.size(), 3u);
  EXPECT_EQ(axis.losses[0].name, "det");
  EXPECT_EQ(axis.losses[0].weight, 1);
  EXPECT_EQ(axis.losses[0].terms[2], (std::pair<std::size_t, double>(2, 2.0)));
  EXPECT_EQ(axis.losses[1].name, "macl+dhn");
  EXPECT_DOUBLE_EQ(axis.losses[1].weight, 0.4);
  EXPECT_DOUBLE_EQ(axis.losses[1].terms[0].second, 0.75);
  EXPECT_EQ(axis.losses[2].name, "domain");
  EXPECT_EQ(axis.detection, 1u);
  EXPECT_EQ(make_axis("watch", terms({{"macl", 0.3}}), 4).losses[1].name, "macl");
  EXPECT_TRUE(make_axis("watch", terms({}), 4).empty());
}

TEST(ProbeAxis, WeightsOfZeroKeepTheLossOnTheAxis) {
  const ProbeAxis axis = make_axis("watch", terms({{"macl", 0}, {"dhn", 0}}), 4);
  ASSERT_EQ(axis.losses.size(), 2u);
  EXPECT_EQ(axis.losses[1].weight, 0);
  EXPECT_EQ(axis.losses[1].terms[1].second, 0.5);
}

TEST(ProbeAxis, DeepHasEveryTermAndSurgeryTwo) {
  const ProbeAxis deep = make_axis("deep", terms({{"macl", 0.3}, {"dhn", 0.1}}), 4);
  EXPECT_EQ(deep.losses.size(), 6u);
  EXPECT_EQ(deep.detection, 4u);
  EXPECT_EQ(deep.remainder, 2u) << "the last detection loss with a weight";
  const ProbeAxis surgery = make_axis("surgery", terms({{"macl", 0.3}, {"dhn", 0.1}}), 4);
  ASSERT_EQ(surgery.losses.size(), 2u);
  EXPECT_EQ(surgery.losses[1].name, "aux");
  EXPECT_DOUBLE_EQ(surgery.losses[1].weight, 0.4);
}

}  // namespace
}  // namespace ktrain
