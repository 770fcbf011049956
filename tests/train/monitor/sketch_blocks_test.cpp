// How block sums are kept: the newest in float, those before it in bfloat16, the oldest makes room.
#include "train/monitor/sketch_blocks.h"

#include <cmath>

#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

constexpr std::int64_t kStem = 3, kFusion = 2;  // elements

class Blocks : public testing::Test {
 protected:
  Blocks() {
    const auto weight = [&](const char* name, std::int64_t size) {
      parameters_.add(name, Tensor::zeros(context_, {size}), ParameterKind::kWeight);
    };
    weight("visible.backbone.conv1.weight", kStem);
    weight("fusion.0.weight", kFusion);
    groups_.emplace(parameters_);
  }

  SketchBlocks blocks(std::int64_t window = 64, std::int64_t trunk_losses = 1) {
    SketchBlocks::Options options;
    options.buckets = 64;  // more than elements: kept whole, so that sums are known
    options.window = window;
    options.trunk_losses = trunk_losses;
    SketchBlocks blocks(context_, *groups_, options);
    blocks.begin_segment();
    return blocks;
  }

  // A probe in which every element of loss k has the value (k + 1) * `value`.
  void probe(SketchBlocks& blocks, float value, bool fusion_of_second = false) const {
    blocks.begin_probe();
    const std::vector<float> first(kStem, value), second(kStem, 2 * value);
    const Span<const float> both[] = {{first.data(), kStem}, {second.data(), kStem}};
    blocks.add({0, 0}, {both, 2}, {});
    const Span<const float> of_fusion[] = {{first.data(), kFusion},
                                           {second.data(), fusion_of_second ? kFusion : 0}};
    blocks.add({1, 0}, {of_fusion, 2}, {});
  }

  ContextPtr context_ = make_cpu_context();
  ParameterSet parameters_;
  std::optional<LayerGroups> groups_;
};

TEST_F(Blocks, HoldSumsOfTheirProbesFromTheOldestToTheNewest) {
  SketchBlocks all = blocks();
  for (int i = 1; i <= 16; ++i) probe(all, static_cast<float>(i));
  ASSERT_EQ(all.blocks(), 16);
  for (std::int64_t b = 0; b < 16; ++b)
    EXPECT_EQ(all.block(0, b)[1], std::vector<float>(kStem, 2.0f * static_cast<float>(b + 1)));

  probe(all, 17);  // joined: (1 + 2), (3 + 4), .. (15 + 16), then 17
  ASSERT_EQ(all.blocks(), 9);
  EXPECT_EQ(all.probes(), 17);
  EXPECT_EQ(all.probes_per_block(), 2);
  for (std::int64_t b = 0; b < 8; ++b)
    EXPECT_EQ(all.block(0, b)[0][0], static_cast<float>(4 * b + 3));
  EXPECT_EQ(all.block(0, 8)[0][0], 17.0f);
  probe(all, 18);
  EXPECT_EQ(all.blocks(), 9);
  EXPECT_EQ(all.block(0, 8)[0][0], 35.0f);
}

TEST_F(Blocks, OfAFullWindowTheOldestMakesRoom) {
  SketchBlocks all = blocks(16);
  for (int i = 1; i <= 20; ++i) probe(all, static_cast<float>(i));
  EXPECT_TRUE(all.window_full());
  EXPECT_EQ(all.probes(), 16);
  ASSERT_EQ(all.blocks(), 16);
  for (std::int64_t b = 0; b < 16; ++b) EXPECT_EQ(all.block(0, b)[0][0], static_cast<float>(b + 5));
  all.begin_segment();
  EXPECT_EQ(all.blocks(), 0);
}

// 1 + 2^-8 lies in the middle of two bfloat16 and goes to the even one; 1 + 3 * 2^-8 likewise.
TEST_F(Blocks, FinishedOnesAreTheNearestBfloat16AndTheNewestIsExact) {
  SketchBlocks all = blocks();
  probe(all, 1 + 0x1p-8f);
  EXPECT_EQ(all.block(0, 0)[0][0], 1 + 0x1p-8f);
  probe(all, 1 + 0x3p-8f);
  EXPECT_EQ(all.block(0, 0)[0][0], 1.0f);
  probe(all, -0.3f);
  EXPECT_EQ(all.block(0, 1)[0][0], 1 + 0x1p-6f);
  EXPECT_EQ(all.block(0, 2)[0][0], -0.3f);
  probe(all, 0);
  EXPECT_NEAR(all.block(0, 2)[0][0], -0.3f, 0.3 * 0x1p-8);
  EXPECT_NE(all.block(0, 2)[0][0], -0.3f);
}

TEST_F(Blocks, WhatIsNotFiniteStaysSo) {
  SketchBlocks all = blocks();
  probe(all, std::numeric_limits<float>::quiet_NaN());
  probe(all, std::numeric_limits<float>::infinity());
  probe(all, 1);
  EXPECT_TRUE(std::isnan(all.block(0, 0)[0][0]));
  EXPECT_TRUE(std::isinf(all.block(0, 1)[0][0]));
}

TEST_F(Blocks, ALossOfTheTrunkHasNoSketchBesideItAndProductsOfZero) {
  const std::int64_t before = context_->memory.usage().live_bytes;
  SketchBlocks all = blocks(64, 1);
  const std::int64_t less = context_->memory.usage().live_bytes - before;
  const SketchBlocks every = blocks(64, 0);
  EXPECT_LT(less, context_->memory.usage().live_bytes - before - less);
  for (int i = 0; i < 3; ++i) probe(all, 2);
  const BlockSums sums = all.sums(1);
  EXPECT_EQ(sums.products(0, 2), 4.0 * kFusion);  // loss 0 of two blocks
  EXPECT_EQ(sums.products(1, 3), 0.0);
  EXPECT_TRUE(CrossBatch(sums).cosine(0, 1).below_noise) << "nothing can be said";
  EXPECT_THROW(probe(all, 2, true), Error) << "a loss that reaches where none was expected";
}

}  // namespace
}  // namespace ktrain
