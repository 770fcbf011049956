// Groups of convolutions of bf16 on the device, by both tiers of tensor cores.
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/conv2d_group.h"
#include "tests/support/conv_group_device.h"

namespace ktrain {
namespace {

using test::Each;
using test::expect_data_gradients;
using test::expect_filter_gradients;
using test::expect_forward;
using test::expect_same_bits;
using test::GroupCase;
using test::GroupProblem;
using test::kBf16Unit;
using test::Kind;

class Conv2dGroupBf16 : public testing::TestWithParam<GroupCase> {
  test::WgmmaSetting no_wgmma_{false};
};
INSTANTIATE_TEST_SUITE_P(Shapes, Conv2dGroupBf16, testing::ValuesIn(test::awkward_groups()));

TEST_P(Conv2dGroupBf16, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  test::expect_all<Kind::kBf16>(GetParam());
}

TEST_P(Conv2dGroupBf16, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  for (const std::int64_t offset : {0, 1}) expect_same_bits<Kind::kBf16>(GetParam(), offset);
}

TEST(Conv2dGroupBf16Large, LargeTilesInEveryPass) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting no_wgmma(false);
  expect_forward<Kind::kBf16>({{{93, 92}, {92, 92}, {3, 2}}, 1, 8, 72, 3, 1, false}, test::kShift);
  expect_data_gradients<Kind::kBf16>({{{93, 92}, {92, 92}, {3, 2}}, 1, 72, 8, 3, 1, false}, true);
  expect_filter_gradients<Kind::kBf16>({{{4, 4}, {2, 2}}, 1, 1880, 72, 3, 1, true});
}

// What tensor copies bring, in tiles of 64 and 128 columns and with columns to spare; levels down
// to one pixel, empty ones; images that end within a tile; no padding; one tap; sums that are cut.
class Conv2dGroupWgmma : public testing::TestWithParam<GroupCase> {
  test::WgmmaSetting wgmma_{true};
};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Conv2dGroupWgmma,
    testing::Values(GroupCase{{{9, 7}, {4, 5}, {0, 2}, {1, 1}}, 2, 64, 64, 3, 1, false},
                    GroupCase{{{6, 7}, {3, 3}}, 1, 64, 136, 3, 0, false},
                    GroupCase{{{8, 9}, {1, 1}, {0, 0}, {11, 6}}, 3, 128, 72, 1, 0, false},
                    GroupCase{{{3, 4}, {1, 1}, {5, 5}, {2, 2}, {8, 3}, {1, 7}, {4, 4}, {6, 1}},
                              1,
                              64,
                              128,
                              3,
                              1,
                              false},
                    GroupCase{{{24, 23}, {12, 11}, {6, 5}}, 2, 64, 64, 3, 1, false},
                    GroupCase{{{5, 6}, {5, 6}}, 1, 192, 64, 3, 1, false},
                    GroupCase{{{7, 6}, {7, 6}}, 1, 64, 64, 3, 1, false, 2}));

// Two maps of one size have their sums cut, by this tier too.
TEST(Conv2dGroupWgmmaStreams, AreCutAlongK) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  const GroupProblem p({{{5, 6}, {5, 6}}, 1, 192, 64, 3, 1, false});
  std::vector<ForwardMember<Bfloat16>> members;
  for (const test::ConvProblem& m : p.members)
    members.push_back({m.in<const Bfloat16>(nullptr),
                       m.krsc<const Bfloat16>(nullptr),
                       {},
                       m.out<Bfloat16>(nullptr)});
  const GroupPlan plan = product::plan_forward<Bfloat16, Bfloat16>(members, p.options()).plan;
  EXPECT_TRUE(plan.through_runs);
  EXPECT_GE(plan.splits, 4);
}

TEST_P(Conv2dGroupWgmma, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const GroupProblem p(GetParam());
  std::vector<ForwardMember<Bfloat16>> members;
  for (const test::ConvProblem& m : p.members)
    members.push_back({m.in<const Bfloat16>(nullptr),
                       m.krsc<const Bfloat16>(nullptr),
                       {},
                       m.out<Bfloat16>(nullptr)});
  ASSERT_EQ((product::plan_forward<Bfloat16, Bfloat16>(members, p.options()).plan.tier),
            test::can_wgmma() ? ProductTier::kWgmma : ProductTier::kMma);
  test::expect_all<Kind::kWgmma>(GetParam());
}

TEST_P(Conv2dGroupWgmma, IsTheSameToTheBitAgain) {
  KT_NEEDS_GPU();
  expect_same_bits<Kind::kWgmma>(GetParam(), 0);
}

// What stands at an odd address is multiplied by another tier.
TEST(Conv2dGroupWgmma, AnOddAddressIsTakenElsewhere) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  const GroupProblem p = test::problem<Kind::kWgmma>({{{9, 7}, {4, 5}}, 2, 64, 64, 3, 1, true});
  const auto [got, calls] = test::forward_on_device<Bfloat16>(p, 1);
  EXPECT_EQ(calls[DeviceCall::kTensorMap], 0);
  for (std::size_t i = 0; i < p.size(); ++i)
    EXPECT_TRUE(test::within(got[i], test::forward_on_cpu<double>(p.members[i]),
                             test::forward_on_cpu<double>(test::positive(p.members[i])),
                             test::Traits<Kind::kWgmma>::of_sum(9 * 64) * (1 + kBf16Unit),
                             kBf16Unit));
}

TEST(Conv2dGroupWgmmaLarge, WideTiles) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  const std::int64_t side = test::large(92) < 92 ? 12 : 92;
  expect_forward<Kind::kWgmma>({{{side, 93}, {side, 92}, {1, 3}}, 1, 64, 256, 1, 0, true},
                               test::kShift);
  expect_data_gradients<Kind::kWgmma>({{{side, 93}, {side, 92}, {1, 3}}, 1, 256, 64, 1, 0, true},
                                      true);
}

// With sums of rows, which the wide tile has the fewest registers for.
TEST(Conv2dGroupWgmmaLarge, FilterGradientsWithWideTiles) {
  KT_NEEDS_GPU();
  const test::WgmmaSetting wgmma(true);
  const bool large = test::large(92) == 92;
  const std::int64_t filters = large ? 1408 : 128, channels = large ? 3072 : 256;
  if (large && test::can_wgmma()) {
    ASSERT_EQ(plan_product(0, {filters, channels, 19, true, Precision::kBf16, true}).tile,
              ProductTile::kWide);
  }
  expect_filter_gradients<Kind::kWgmma>({{{4, 4}, {1, 3}}, 1, channels, filters, 1, 0, true},
                                        test::kShift);
}

}  // namespace
}  // namespace ktrain
