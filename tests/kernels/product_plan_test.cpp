#include "kernels/product_plan.h"

#include <algorithm>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message.h"

namespace ktrain {
namespace {

constexpr int kHopper = 90;

TEST(ProductPlan, RunsCoverKOnceAndFitTheWorkspace) {
  for (const std::int64_t m : {1, 15, 64, 65, 1000, 163840})
    for (const std::int64_t n : {1, 16, 17, 65, 256, 2048})
      for (const std::int64_t k : {0, 1, 16, 511, 512, 2304, 163840}) {
        const ProductShape shape{m, n, k};
        const ProductPlan plan = plan_product(kHopper, shape);
        ASSERT_GE(plan.splits, 1);
        EXPECT_EQ(plan.depth % kProductSlice, 0);
        EXPECT_GE(plan.splits * plan.depth, k) << m << ' ' << n << ' ' << k;
        // The last run has something to add, too.
        EXPECT_LT((plan.splits - 1) * plan.depth, std::max<std::int64_t>(k, 1))
            << m << ' ' << n << ' ' << k;
        EXPECT_EQ(product_workspace(plan, shape), plan.splits > 1 ? plan.splits * m * n : 0);
      }
}

TEST(ProductPlan, ChoosesTilesByShape) {
  const auto tile = [](std::int64_t m, std::int64_t n, std::int64_t k) {
    return plan_product(kHopper, {m, n, k}).tile;
  };
  // The 3x3 convolution of 256 channels on the largest map, and the heads on it.
  EXPECT_EQ(tile(163840, 256, 2304), ProductTile::kLarge);
  EXPECT_EQ(tile(163840, 12, 256), ProductTile::kNarrow);
  EXPECT_EQ(tile(163840, 64, 576), ProductTile::kSmall);
  // The last level of the pyramid has too few pixels for large tiles.
  EXPECT_EQ(tile(640, 256, 2304), ProductTile::kSmall);
  // A weight gradient has few tiles, but its long sum is cut.
  EXPECT_EQ(tile(256, 2304, 163840), ProductTile::kLarge);
}

TEST(ProductPlan, CutsTheLongSumsOfWeightGradientsOnly) {
  EXPECT_EQ(plan_product(kHopper, {163840, 256, 2304}).splits, 1);
  EXPECT_GT(plan_product(kHopper, {256, 2304, 163840}).splits, 4);
  EXPECT_EQ(plan_product(kHopper, {64, 64, 163840}).splits, 64);
  EXPECT_EQ(plan_product(kHopper, {64, 64, 163840, false}).splits, 1);
  // A run is worth its two passes over c.
  EXPECT_EQ(plan_product(kHopper, {64, 64, 511}).splits, 1);
}

TEST(ProductPlan, AConvolutionWithAStrideIsNotCut) {
  const Krsc<const float> w{nullptr, 512, 3, 3, 512};
  const Nhwc<const float> dx{nullptr, 1, 20, 16, 512};
  EXPECT_GT(plan_product(kHopper, data_product(w, dx, {.stride = 1, .pad = 1})).splits, 1);
  EXPECT_EQ(plan_product(kHopper, data_product(w, dx, {.stride = 2, .pad = 1})).splits, 1);
}

TEST(ProductPlan, GoesToTensorCoresOnlyWhereTheCallerAcceptsFewerBits) {
  const auto tier = [](int architecture, Precision precision) {
    return plan_product(architecture, {163840, 256, 2304, true, precision}).tier;
  };
  for (const int architecture : {0, 80, kHopper}) {
    EXPECT_EQ(tier(architecture, Precision::kFloat), ProductTier::kSimt);
    EXPECT_EQ(tier(architecture, Precision::kTf32), ProductTier::kMma);
    EXPECT_EQ(tier(architecture, Precision::kBf16), ProductTier::kMma);
  }
  // Without instructions for it tf32 is float, which is more; bf16 in memory cannot be that.
  EXPECT_EQ(tier(75, Precision::kTf32), ProductTier::kSimt);
  EXPECT_THAT(test::message_of([&] { (void)tier(75, Precision::kBf16); }),
              testing::HasSubstr("bf16 on a GPU of compute capability 7.5, wanted 8.0 or later"));
}

TEST(ProductPlan, TensorCoresTakeWholeSlicesAndNoNarrowTile) {
  for (const Precision precision : {Precision::kTf32, Precision::kBf16})
    for (const std::int64_t k : {1, 520, 1000, 163840}) {
      const ProductPlan plan = plan_product(kHopper, {64, 12, k, true, precision});
      EXPECT_EQ(plan.tile, ProductTile::kSmall);
      EXPECT_EQ(plan.depth % (precision == Precision::kBf16 ? 32 : 16), 0);
      EXPECT_GE(plan.splits * plan.depth, k);
    }
  EXPECT_EQ(plan_product(kHopper, {163840, 256, 2304, true, Precision::kBf16}).tile,
            ProductTile::kLarge);
}

// bf16, operands that tensor copies bring, and the one architecture.
TEST(ProductPlan, GoesToHoppersTierOnlyWhereThatIs) {
  ProductShape shape{163840, 256, 2304, true, Precision::kBf16, true};
  for (const int architecture : {0, kHopper})
    EXPECT_EQ(plan_product(architecture, shape).tier, ProductTier::kWgmma);
  for (const int architecture : {80, 87, 89, 100, 120})
    EXPECT_EQ(plan_product(architecture, shape).tier, ProductTier::kMma);
  shape.tensor_copies = false;
  EXPECT_EQ(plan_product(kHopper, shape).tier, ProductTier::kMma);
  shape.tensor_copies = true;
  shape.precision = Precision::kTf32;
  EXPECT_EQ(plan_product(kHopper, shape).tier, ProductTier::kMma);
  EXPECT_EQ(plan_product(kHopper, {64, 64, 0, true, Precision::kBf16, true}).tier,
            ProductTier::kMma);
}

TEST(ProductPlan, HoppersTilesAndRunsStartAtOnce) {
  const auto plan = [](std::int64_t m, std::int64_t n, std::int64_t k) {
    return plan_product(kHopper, {m, n, k, true, Precision::kBf16, true});
  };
  EXPECT_EQ(plan(163840, 256, 2304).tile, ProductTile::kWide);
  EXPECT_EQ(plan(163840, 128, 1152).tile, ProductTile::kLarge);
  EXPECT_EQ(plan(163840, 320, 1152).tile, ProductTile::kLarge);  // a quarter of two wide ones idles
  EXPECT_EQ(plan(163840, 64, 576).tile, ProductTile::kSlim);
  // The weight gradient of the largest map: 18 tiles, 126 blocks of 132.
  EXPECT_EQ(plan(256, 2304, 163840).tile, ProductTile::kWide);
  EXPECT_EQ(plan(256, 2304, 163840).splits, 7);
  for (const std::int64_t m : {1, 128, 640, 163840})
    for (const std::int64_t n : {8, 64, 128, 256, 2048})
      for (const std::int64_t k : {8, 64, 520, 163840}) {
        const ProductPlan p = plan(m, n, k);
        EXPECT_EQ(p.depth % 64, 0);
        EXPECT_GE(p.splits * p.depth, k);
        EXPECT_LT((p.splits - 1) * p.depth, k);
      }
}

TEST(ProductPlan, ShapesOfHoppersTierAreAllowedOnce) {
  const Krsc<const Bfloat16> w{nullptr, 72, 3, 3, 64};
  const Nhwc<const Bfloat16> x{nullptr, 1, 8, 8, 64}, y{nullptr, 1, 8, 8, 72};
  const bool before = enable_wgmma(false);
  EXPECT_FALSE(forward_product(w, y).tensor_copies);
  EXPECT_FALSE(matrix_product(8, 8, 8, false, false).tensor_copies);
  EXPECT_FALSE(enable_wgmma(true));
  EXPECT_TRUE(forward_product(w, y).tensor_copies);
  EXPECT_TRUE(weights_product(y, w).tensor_copies);
  // The data gradient's k runs over 72 filters, which are no multiple of 64.
  EXPECT_FALSE(data_product(w, x, {.pad = 1}).tensor_copies);
  const Krsc<const Bfloat16> other{nullptr, 64, 3, 3, 72};
  EXPECT_TRUE(data_product(other, y, {.pad = 1}).tensor_copies);
  EXPECT_FALSE(data_product(other, y, {.stride = 2, .pad = 1}).tensor_copies);
  // Rows of memory in pieces: of a m x k, of b k x n, and the other way round.
  EXPECT_TRUE(matrix_product(3, 8, 16, false, false).tensor_copies);
  EXPECT_FALSE(matrix_product(8, 3, 16, false, false).tensor_copies);
  EXPECT_TRUE(matrix_product(8, 3, 16, true, true).tensor_copies);
  EXPECT_FALSE(matrix_product(3, 8, 16, true, true).tensor_copies);
  EXPECT_TRUE(enable_wgmma(before));
}

ProductShape level(std::int64_t pixels, Precision precision = Precision::kFloat) {
  return {pixels, 256, 2304, false, precision};
}

// Levels of a pyramid, 3x3 of 256 channels: the largest has 128 of 132 large tiles.
TEST(GroupPlan, SmallLevelsTakeTheTileThatAllTogetherFill) {
  const std::vector<ProductShape> levels = {level(8192), level(2048), level(512), level(128)};
  for (const ProductShape& alone : levels)
    EXPECT_EQ(plan_product(kHopper, alone).tile, ProductTile::kSmall) << alone.m;
  EXPECT_EQ(plan_group(kHopper, levels, false).tile, ProductTile::kLarge);
  EXPECT_EQ(plan_group(kHopper, {levels.data(), 1}, false).tile, ProductTile::kSmall);
  // Rows that fit a small tile, whatever there are of them.
  const std::vector<ProductShape> few = {level(64), level(1), level(0)};
  EXPECT_EQ(plan_group(kHopper, few, false).tile, ProductTile::kSmall);
}

TEST(GroupPlan, WholeProductsHaveNoRuns) {
  const std::vector<ProductShape> shapes = {level(640), level(160), level(0)};
  const GroupPlan plan = plan_group(kHopper, shapes, false);
  EXPECT_EQ(plan.splits, 1);
  EXPECT_FALSE(plan.through_runs);
  EXPECT_EQ(group_workspace(plan, shapes[0]), 0);
}

TEST(GroupPlan, RunsOfAllMembersCoverTheirOwnK) {
  for (const bool summed : {false, true})
    for (const std::int64_t largest : {1, 520, 20480, 163840})
      for (const Precision precision : {Precision::kFloat, Precision::kBf16}) {
        std::vector<ProductShape> shapes;
        std::int64_t all = 0;
        for (const std::int64_t k : {largest, largest / 4, largest / 16, std::int64_t{0}}) {
          shapes.push_back({256, 2304, k, true, precision});
          all += k;
        }
        const GroupPlan plan = plan_group(kHopper, shapes, summed);
        const ProductPlan one = plan_product(kHopper, {256, 2304, all, true, precision});
        EXPECT_EQ(plan.depth, one.depth);
        EXPECT_EQ(plan.tile, one.tile);
        int runs = 0, most = 0;
        for (const ProductShape& shape : shapes) {
          const int own = runs_of(shape.k, plan.depth);
          EXPECT_GE(own * plan.depth, shape.k);
          runs += own;
          most = std::max(most, own);
        }
        EXPECT_EQ(plan.splits, runs);
        EXPECT_LE(plan.splits, one.splits + 3);  // a run is one member's alone
        EXPECT_EQ(plan.through_runs, summed || most > 1);
        EXPECT_EQ(group_workspace(plan, shapes[0]), plan.through_runs ? runs * 256 * 2304 : 0);
      }
}

// Two streams of one layer: their sums are cut as far as leaves both of them enough blocks.
TEST(GroupPlan, MembersOfOneSizeAreCutTogether) {
  const ProductShape c5{1280, 512, 4608, true, Precision::kBf16, true};
  const std::vector<ProductShape> streams = {c5, c5};
  for (const int architecture : {80, kHopper}) {
    const ProductPlan alone = plan_product(architecture, c5);
    const GroupPlan both = plan_group(architecture, streams, false);
    EXPECT_TRUE(both.through_runs);
    EXPECT_GT(alone.splits, both.splits / 2);
    EXPECT_EQ(both.splits, 2 * runs_of(c5.k, both.depth));
    EXPECT_EQ(group_workspace(both, c5), both.splits * c5.m * c5.n);
  }
  const ProductShape c2{40960, 64, 576, true, Precision::kBf16, true};
  EXPECT_FALSE(plan_group(kHopper, std::vector{c2, c2}, false).through_runs);
  // Of sizes that differ none is cut.
  ProductShape other = c5;
  other.m = 320;
  EXPECT_FALSE(plan_group(kHopper, std::vector{c5, other}, false).through_runs);
}

TEST(GroupPlan, OfNothingHasNoRuns) {
  const std::vector<ProductShape> none = {{64, 64, 0}, {64, 64, 0}};
  EXPECT_EQ(plan_group(kHopper, none, true).splits, 0);
  EXPECT_TRUE(plan_group(kHopper, none, true).through_runs);
  EXPECT_FALSE(plan_group(kHopper, none, false).through_runs);
}

TEST(GroupPlan, GoesToHoppersTierAsAProductDoes) {
  std::vector<ProductShape> shapes = {{12800, 256, 2304, false, Precision::kBf16, true},
                                      {640, 256, 2304, false, Precision::kBf16, true}};
  EXPECT_EQ(plan_group(kHopper, shapes, false).tier, ProductTier::kWgmma);
  EXPECT_EQ(plan_group(80, shapes, false).tier, ProductTier::kMma);
  for (ProductShape& shape : shapes) shape = {256, 2304, shape.m, true, Precision::kBf16, true};
  const GroupPlan weights = plan_group(kHopper, shapes, true);
  EXPECT_EQ(weights.tier, ProductTier::kWgmma);
  EXPECT_EQ(weights.depth % 64, 0);
}

TEST(GroupPlan, RefusesProductsThatDoNotBelongTogether) {
  const auto message = [](std::vector<ProductShape> shapes, bool summed) {
    return test::message_of([&] { (void)plan_group(kHopper, shapes, summed); });
  };
  EXPECT_THAT(message({}, false), testing::HasSubstr("a group of none"));
  EXPECT_THAT(message({{64, 64, 9}, {65, 64, 10}}, false),
              testing::HasSubstr("2 of several sides beside 64x9 by 9x64"));
  EXPECT_THAT(message({{64, 64, 9}, {64, 65, 9}}, false), testing::HasSubstr("several sides"));
  EXPECT_THAT(message({level(4), {4, 256, 2303, false}}, false), testing::HasSubstr("beside"));
  EXPECT_THAT(message({level(4), level(4)}, true), testing::HasSubstr("that are not cut"));
  EXPECT_THAT(message({{1, 1, std::int64_t{1} << 30}, {1, 1, std::int64_t{1} << 30}}, true),
              testing::HasSubstr("sides up to"));
}

TEST(ProductPlan, ScaledFiltersHaveAPlaceOnTensorCores) {
  ProductPlan plan;
  EXPECT_EQ(scaled_filter_floats(plan, 100), 0);
  plan.tier = ProductTier::kMma;
  EXPECT_EQ(scaled_filter_floats(plan, 100), 28);
  EXPECT_EQ(scaled_filter_floats(plan, 0), 0);
}

TEST(ProductPlan, RefusesOldGpusAndSidesPastAnIndex) {
  EXPECT_THAT(test::message_of([] {
                (void)plan_product(70, {1, 1, 1});
              }),
              testing::HasSubstr("compute capability 7.0, wanted 7.5 or later"));
  EXPECT_THAT(test::message_of([] {
                (void)plan_product(0, {std::int64_t{1} << 31, 1, 1});
              }),
              testing::HasSubstr("2147483648x1 by 1x1, sides up to"));
}

}  // namespace
}  // namespace ktrain
