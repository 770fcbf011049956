// Groups of convolutions of floats on the device, on ordinary lanes and on tensor cores.
#include "kernels/conv2d_group.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/conv_group_device.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::Each;
using test::expect_data_gradients;
using test::expect_filter_gradients;
using test::expect_forward;
using test::expect_same_bits;
using test::GroupCase;
using test::GroupProblem;
using test::Kind;
using Floats = std::vector<float>;

class Conv2dGroupCuda : public testing::TestWithParam<GroupCase> {};
INSTANTIATE_TEST_SUITE_P(Shapes, Conv2dGroupCuda, testing::ValuesIn(test::awkward_groups()));

TEST_P(Conv2dGroupCuda, AgreesWithTheCpuInFloat) {
  KT_NEEDS_GPU();
  test::expect_all<Kind::kFloat>(GetParam());
}

TEST_P(Conv2dGroupCuda, AgreesWithTheCpuInTf32) {
  KT_NEEDS_GPU();
  test::expect_all<Kind::kTf32>(GetParam());
}

TEST_P(Conv2dGroupCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  for (const std::int64_t offset : {0, 1}) {
    expect_same_bits<Kind::kFloat>(GetParam(), offset);
    expect_same_bits<Kind::kTf32>(GetParam(), offset);
  }
}

// Where sums are whole a member's place in the launch changes no bit of it.
TEST(Conv2dGroupCudaMembers, HaveTheBitsOfTheConvolutionAlone) {
  KT_NEEDS_GPU();
  const GroupCase c{{{8, 10}, {4, 5}, {1, 1}}, 2, 8, 16, 3, 1, false};
  const GroupProblem p(c, test::kShift);
  const Each<float> together = test::forward_on_device<float>(p).arrays,
                    dx = test::data_gradients_on_device<float>(p, true).arrays;
  for (std::size_t i = 0; i < p.size(); ++i) {
    GroupProblem alone = p;
    alone.members = {p.members[i]};
    EXPECT_TRUE(test::same_bits(test::forward_on_device<float>(alone).arrays[0], together[i])) << i;
    alone.add = {p.add[i]};
    alone.positive = {p.positive[i]};
    if (i > 0) continue;  // a member alone has the end of a first one
    EXPECT_TRUE(
        test::same_bits(test::data_gradients_on_device<float>(alone, true).arrays[0], dx[i]));
  }
}

// One launch, and one more to add runs.
TEST(Conv2dGroupCudaMembers, ShareALaunch) {
  KT_NEEDS_GPU();
  const GroupProblem shared({{{8, 10}, {4, 5}, {2, 3}, {1, 2}, {1, 1}}, 1, 8, 16, 3, 1, true});
  EXPECT_EQ(test::forward_on_device<float>(shared).calls[DeviceCall::kLaunch], 1);
  EXPECT_EQ(test::data_gradients_on_device<float>(shared, true).calls[DeviceCall::kLaunch], 1);
  EXPECT_EQ(test::filter_gradients_on_device<float>(shared).calls[DeviceCall::kLaunch], 2);
  const GroupProblem own({{{8, 10}, {4, 5}, {1, 1}}, 1, 8, 16, 3, 1, false});
  EXPECT_EQ(test::filter_gradients_on_device<float>(own).calls[DeviceCall::kLaunch], 1);
}

ProductTile forward_tile(const GroupCase& c, Precision precision) {
  const GroupProblem p(c);
  std::vector<ForwardMember<float>> members;
  for (const test::ConvProblem& m : p.members)
    members.push_back(
        {m.in<const float>(nullptr), m.krsc<const float>(nullptr), {}, m.out<float>(nullptr)});
  Conv2dOptions options = p.options();
  options.precision = precision;
  return product::plan_forward<float, float>(members, options).plan.tile;
}

// Together they have as many tiles as the plan wants before it takes large ones; alone none has.
TEST(Conv2dGroupCudaLarge, LargeTilesOfMapsThatAloneWouldTakeSmallOnes) {
  KT_NEEDS_GPU();
  const GroupCase forward{{{93, 92}, {92, 92}, {3, 2}}, 1, 8, 72, 3, 1, false};
  for (const Precision precision : {Precision::kFloat, Precision::kTf32}) {
    ASSERT_EQ(forward_tile(forward, precision), ProductTile::kLarge);
    ASSERT_EQ(forward_tile({{{93, 92}}, 1, 8, 72, 3, 1, false}, precision), ProductTile::kSmall);
  }
  expect_forward<Kind::kFloat>(forward, test::kShift | test::kRelu);
  expect_forward<Kind::kTf32>(forward, test::kShift);
  const GroupCase data{{{93, 92}, {92, 92}, {3, 2}}, 1, 72, 8, 3, 1, false};
  expect_data_gradients<Kind::kFloat>(data, true);
  expect_data_gradients<Kind::kTf32>(data, true);
}

TEST(Conv2dGroupCudaLarge, FilterGradientsWithLargeTiles) {
  KT_NEEDS_GPU();
  const GroupCase c{{{4, 4}, {2, 2}}, 1, 1880, 72, 3, 1, true};
  ASSERT_EQ(plan_product(0, {72, 9 * 1880, 20}).tile, ProductTile::kLarge);
  expect_filter_gradients<Kind::kFloat>(c);
  expect_filter_gradients<Kind::kTf32>(c);
}

TEST(Conv2dGroupCuda, NothingGivesZeroGradientsAndTheEpilogue) {
  KT_NEEDS_GPU();
  for (const bool shared : {false, true}) {
    const GroupCase no_images{{{4, 4}, {2, 2}}, 0, 3, 2, 3, 1, shared};
    for (const Floats& dw : test::filter_gradients_on_device<float>(GroupProblem(no_images)).arrays)
      EXPECT_THAT(dw, testing::Each(0.0f));
    expect_forward<Kind::kFloat>({{{4, 4}, {2, 2}}, 2, 0, 3, 3, 1, shared},
                                 test::kShift | test::kRelu);
    const GroupCase no_output{{{2, 2}, {3, 1}}, 2, 3, 4, 5, 0, shared};
    for (const Floats& dx :
         test::data_gradients_on_device<float>(GroupProblem(no_output), false).arrays)
      EXPECT_THAT(dx, testing::Each(0.0f));
  }
}

struct Wrong {
  DeviceView<float> memory{4000};
  Nhwc<const float> x{memory.data(), 1, 4, 4, 3}, g{memory.data(), 1, 4, 4, 2};
  Krsc<const float> w{memory.data(), 2, 3, 3, 3};
  Krsc<float> dw{memory.data(), 2, 3, 3, 3};
  Nhwc<float> y{memory.data(), 1, 4, 4, 2}, dx{memory.data(), 1, 4, 4, 3};
  Stream stream;

  [[nodiscard]] std::string forward(const std::vector<ForwardMember<float>>& members,
                                    const Conv2dOptions& options) const {
    return test::message_of(
        [&] { cuda::conv2d_group_forward<float, float>(stream.get(), members, {}, options); });
  }
};

TEST(Conv2dGroupCudaErrors, OfForwardAreNamed) {
  KT_NEEDS_GPU();
  const Wrong a;
  const ForwardMember<float> right{a.x, a.w, {}, a.y};
  EXPECT_THAT(a.forward({}, {.pad = 1}),
              testing::HasSubstr("conv2d_group_forward: 0 members, wanted 1 to 8"));
  EXPECT_THAT(a.forward(std::vector<ForwardMember<float>>(9, right), {.pad = 1}),
              testing::HasSubstr("9 members, wanted 1 to 8"));
  ForwardMember<float> other = right;
  other.epilogue.scale = {a.memory.data(), 2};
  EXPECT_THAT(a.forward({right, other}, {.pad = 1}), testing::HasSubstr("1 scales for 2 filters"));
  other = right;
  other.x.channels = 4;
  EXPECT_THAT(a.forward({right, other}, {.pad = 1}),
              testing::HasSubstr("maps of 1 images and 4 channels beside 1 and 3"));
  other = right;
  other.y.width = 2;
  EXPECT_THAT(a.forward({right, other}, {.pad = 1}),
              testing::HasSubstr("y is 1x4x2x2, wanted 1x4x4x2"));
  EXPECT_THAT(a.forward({right, right}, {.pad = 1, .engine = ConvEngine::kReference}),
              testing::HasSubstr("on CUDA there is the engine auto alone"));
}

TEST(Conv2dGroupCudaErrors, OfGradientsAreNamed) {
  KT_NEEDS_GPU();
  const Wrong a;
  DataMember<float> ended{a.g, a.w, {}, a.dx, {}};
  ended.end.add = {a.g.data, 1};
  const std::vector<DataMember<float>> data = {{a.g, a.w, {}, a.dx, {}}, ended};
  EXPECT_THAT(test::message_of([&] {
                cuda::conv2d_group_backward_data<float>(a.stream.get(), data, {}, {.pad = 1});
              }),
              testing::HasSubstr("conv2d_group_backward_data: add "));
  const std::vector<WeightsMember<float>> weights(3, {a.x, a.g});
  using To = FilterGradient<float>;
  const auto gradients = [&](const std::vector<To>& to) {
    return test::message_of([&] {
      cuda::conv2d_group_backward_weights<float>(a.stream.get(), weights, {}, to, {.pad = 1});
    });
  };
  EXPECT_THAT(gradients({To{a.dw}, To{a.dw}}),
              testing::HasSubstr("2 gradients of filters of 3 members"));
  // Three runs of 2 x 27.
  EXPECT_THAT(gradients({To{a.dw}}), testing::HasSubstr("workspace has 0 elements, wanted 162"));
  const To scaled{a.dw, {a.w, {a.memory.data(), 2}}, {a.memory.data(), 2}};
  EXPECT_THAT(gradients({To{a.dw}, scaled, To{a.dw}}),
              testing::HasSubstr("1 scales for 3 filters"));
  const To unscaled{a.dw, {}, {a.memory.data(), 2}};
  EXPECT_THAT(gradients({unscaled, unscaled, unscaled}),
              testing::HasSubstr("dscale is asked for without a scale"));
}

}  // namespace
}  // namespace ktrain
