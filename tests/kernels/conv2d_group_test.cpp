#include "kernels/conv2d_group.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/bfloat16.h"
#include "tests/support/conv_group.h"
#include "tests/support/message.h"
#include "tests/support/same_bits.h"

namespace ktrain {
namespace {

using test::GroupCase;
using test::GroupProblem;
using test::message_of;
using test::same_bits;

template <class T>
std::vector<T> values_of(const std::vector<float>& values) {
  std::vector<T> result;
  for (const float v : values) {
    if constexpr (std::is_same_v<T, Bfloat16>)
      result.push_back(to_bfloat16(v));
    else
      result.push_back(static_cast<T>(v));
  }
  return result;
}

// The arrays of a group's members in T.
template <class T>
struct Arrays {
  using W = Wide<T>;
  std::vector<std::vector<T>> x, w, g, residual, add, positive, dx;
  std::vector<std::vector<W>> scale, shift, dw, dscale;

  explicit Arrays(const GroupProblem& p) {
    for (std::size_t i = 0; i < p.size(); ++i) {
      x.push_back(values_of<T>(p.members[i].x));
      w.push_back(values_of<T>(p.members[i].w));
      g.push_back(values_of<T>(p.members[i].g));
      add.push_back(values_of<T>(p.add[i]));
      positive.push_back(values_of<T>(p.positive[i]));
      residual.push_back(values_of<T>(p.members[i].residual));
      scale.push_back(values_of<W>(p.members[i].scale));
      shift.push_back(values_of<W>(p.members[i].shift));
      dx.emplace_back(x[i].size());
      dw.emplace_back(w[i].size());
      dscale.emplace_back(scale[i].size());
    }
  }
};

const GroupCase kLevels{{{8, 10}, {4, 5}, {2, 3}, {1, 1}}, 2, 4, 6, 3, 1, false};
const GroupCase kShared{{{8, 10}, {4, 5}, {2, 3}, {1, 1}}, 2, 4, 6, 3, 1, true};
const GroupCase kHeads{{{5, 4}, {0, 3}, {3, 1}}, 1, 5, 3, 1, 0, true};
const GroupCase kStreams{{{7, 6}, {7, 6}}, 2, 4, 6, 3, 1, false, 2};
const GroupCase kAlone{{{5, 4}}, 1, 5, 3, 3, 0, true};

constexpr unsigned kEverything = test::kScale | test::kShift | test::kResidual | test::kRelu;

template <class T, class Y>
void expect_forward(const GroupCase& c, unsigned parts) {
  const GroupProblem p(c, parts);
  Arrays<T> a(p);
  std::vector<std::vector<Y>> got, want;
  std::vector<ForwardMember<T, Y>> members;
  std::int64_t wanted = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto& m = p.members[i];
    got.emplace_back(static_cast<std::size_t>(m.out_size()));
    want.emplace_back(static_cast<std::size_t>(m.out_size()));
    members.push_back(
        {m.in<const T>(a.x[i].data()), m.krsc<const T>(a.w[i].data()),
         m.epilogue<T>(test::span(a.scale[i]), test::span(a.shift[i]), test::span(a.residual[i])),
         m.out(got[i].data())});
  }
  const std::span<const ForwardMember<T, Y>> group = members;
  wanted = cpu::conv2d_group_forward_workspace<T, Y>(group, p.options());
  std::vector<Wide<T>> workspace(static_cast<std::size_t>(wanted));
  cpu::conv2d_group_forward<T, Y>(group, test::mutable_span(workspace), p.options());
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto& m = members[i];
    cpu::conv2d_forward<T, Y>(m.x, m.w, m.epilogue, test::mutable_span(workspace),
                              p.members[i].out(want[i].data()), p.options());
    EXPECT_TRUE(same_bits(got[i], want[i])) << i;
  }
}

template <class T>
void expect_backward(const GroupCase& c, unsigned parts) {
  const GroupProblem p(c, parts);
  Arrays<T> a(p);
  std::vector<DataMember<T>> data;
  std::vector<WeightsMember<T>> weights;
  std::vector<FilterGradient<T>> to;
  const auto filters = static_cast<std::size_t>(c.filters);
  std::vector<std::vector<Wide<T>>> dshift(p.size(), std::vector<Wide<T>>(filters, NAN));
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto& m = p.members[i];
    GradientEnd<T> end;
    if (i % 2 == 0) end.add = test::span(a.add[i]);
    if (i > 0) end.positive = test::span(a.positive[i]);
    data.push_back({m.out<const T>(a.g[i].data()), m.krsc<const T>(a.w[i].data()),
                    test::span(a.scale[i]), m.in(a.dx[i].data()), end});
    weights.push_back({m.in<const T>(a.x[i].data()), m.out<const T>(a.g[i].data())});
    if (i < p.gradients())
      to.push_back({m.krsc(a.dw[i].data()),
                    {m.krsc<const T>(a.w[i].data()), test::span(a.scale[i])},
                    test::mutable_span(a.dscale[i]),
                    test::mutable_span(dshift[i])});
  }
  std::vector<Wide<T>> for_data(
      static_cast<std::size_t>(cpu::conv2d_group_backward_data_workspace<T>(data, p.options())));
  std::vector<Wide<T>> for_weights(static_cast<std::size_t>(
      cpu::conv2d_group_backward_weights_workspace<T>(weights, to, p.options())));
  cpu::conv2d_group_backward_data<T>(data, test::mutable_span(for_data), p.options());
  cpu::conv2d_group_backward_weights<T>(weights, test::mutable_span(for_weights), to, p.options());
  std::vector<std::vector<Wide<T>>> each, each_scale, each_shift;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto& m = p.members[i];
    std::vector<T> dx(a.dx[i].size());
    cpu::conv2d_backward_data<T>(data[i].g, data[i].w, data[i].scale, test::mutable_span(for_data),
                                 m.in(dx.data()), p.options(), data[i].end);
    EXPECT_TRUE(same_bits(a.dx[i], dx)) << i;
    each.emplace_back(a.dw[i].size());
    each_scale.emplace_back(a.dscale[i].size());
    each_shift.emplace_back(filters);
    cpu::conv2d_backward_weights<T>(weights[i].x, weights[i].g, {data[i].w, data[i].scale},
                                    test::mutable_span(for_weights), m.krsc(each[i].data()),
                                    test::mutable_span(each_scale[i]),
                                    test::mutable_span(each_shift[i]), p.options());
  }
  if (c.shared) {
    EXPECT_TRUE(same_bits(a.dw[0], test::sum_from_last(each)));
    EXPECT_TRUE(same_bits(a.dscale[0], test::sum_from_last(each_scale)));
    EXPECT_TRUE(same_bits(dshift[0], test::sum_from_last(each_shift)));
    return;
  }
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_TRUE(same_bits(a.dw[i], each[i])) << i;
    EXPECT_TRUE(same_bits(a.dscale[i], each_scale[i])) << i;
    EXPECT_TRUE(same_bits(dshift[i], each_shift[i])) << i;
  }
}

TEST(Conv2dGroup, MembersHaveTheBitsOfTheConvolutionAlone) {
  for (const GroupCase& c : {kLevels, kShared, kHeads, kStreams, kAlone})
    for (const unsigned parts : {test::kShift | test::kRelu, kEverything}) {
      expect_forward<float, float>(c, parts);
      expect_forward<double, double>(c, parts);
      expect_forward<Bfloat16, Bfloat16>(c, parts);
      expect_forward<Bfloat16, float>(c, parts);
    }
}

TEST(Conv2dGroup, GradientsAreTheMembersOwnOrTheirSumFromTheLastOn) {
  for (const GroupCase& c : {kLevels, kShared, kHeads, kStreams, kAlone})
    for (const unsigned parts : {0u, kEverything}) {
      expect_backward<float>(c, parts);
      expect_backward<double>(c, parts);
      expect_backward<Bfloat16>(c, parts);
    }
}

struct Wrong {
  std::vector<float> memory = std::vector<float>(4000);
  Nhwc<const float> x{memory.data(), 1, 4, 4, 3};
  Krsc<const float> w{memory.data(), 2, 3, 3, 3};
  Nhwc<float> y{memory.data(), 1, 4, 4, 2};
  Conv2dOptions options{.pad = 1};

  [[nodiscard]] std::string forward(std::vector<ForwardMember<float>> members) const {
    return message_of([&] { cpu::conv2d_group_forward<float, float>(members, {}, options); });
  }
};

TEST(Conv2dGroupErrors, CountsScalesAndShapesAreRefused) {
  Wrong a;
  const ForwardMember<float> right{a.x, a.w, {}, a.y};
  EXPECT_THAT(a.forward({}), testing::HasSubstr("conv2d_group_forward: 0 members, wanted 1 to 8"));
  EXPECT_THAT(a.forward(std::vector<ForwardMember<float>>(9, right)),
              testing::HasSubstr("9 members, wanted 1 to 8"));
  ForwardMember<float> other = right;
  other.x.channels = 4;
  EXPECT_THAT(a.forward({right, other}),
              testing::HasSubstr("maps of 1 images and 4 channels beside 1 and 3"));
  other = right;
  other.x.batch = 2;
  EXPECT_THAT(a.forward({right, other}),
              testing::HasSubstr("maps of 2 images and 3 channels beside 1 and 3"));
  other = right;
  other.w.filters = 3;
  EXPECT_THAT(a.forward({right, other}), testing::HasSubstr("filters of several shapes"));
  other = right;
  other.y.height = 3;
  EXPECT_THAT(a.forward({other}), testing::HasSubstr("y is 1x3x4x2, wanted 1x4x4x2"));
  other = right;
  other.epilogue.scale = {a.memory.data(), 2};
  EXPECT_THAT(a.forward({right, other}),
              testing::HasSubstr("conv2d_group_forward: 1 scales for 2 filters"));
}

TEST(Conv2dGroupErrors, GradientsAreRefused) {
  Wrong a;
  const std::vector<DataMember<float>> data(9);
  EXPECT_THAT(message_of([&] { cpu::conv2d_group_backward_data<float>(data, {}, a.options); }),
              testing::HasSubstr("conv2d_group_backward_data: 9 members, wanted 1 to 8"));
  const Nhwc<const float> g = a.y;
  const std::vector<WeightsMember<float>> weights(3, {a.x, g});
  const FilterGradient<float> dw{{a.memory.data(), 2, 3, 3, 3}};
  const auto gradients = [&](std::vector<FilterGradient<float>> to, Span<float> workspace) {
    return message_of(
        [&] { cpu::conv2d_group_backward_weights<float>(weights, workspace, to, a.options); });
  };
  EXPECT_THAT(
      gradients({dw, dw}, {}),
      testing::HasSubstr("conv2d_group_backward_weights: 2 gradients of filters of 3 members"));
  EXPECT_THAT(gradients({}, {}), testing::HasSubstr("0 gradients of filters of 3 members"));
  FilterGradient<float> other = dw;
  other.dw.cols = 1;
  EXPECT_THAT(gradients({dw, dw, other}, {}), testing::HasSubstr("filters of several shapes"));
  other = dw;
  other.forward.scale = {a.memory.data(), 2};
  EXPECT_THAT(gradients({dw, dw, other}, {}), testing::HasSubstr("1 scales for 3 filters"));
  const std::vector<FilterGradient<float>> one = {dw};
  const std::int64_t wanted =
      cpu::conv2d_group_backward_weights_workspace<float>(weights, one, a.options);
  ASSERT_GE(wanted, dw.dw.size());
  EXPECT_THAT(
      gradients(one, {a.memory.data(), wanted - 1}),
      testing::HasSubstr(fmt::format("workspace has {} elements, wanted {}", wanted - 1, wanted)));
}

}  // namespace
}  // namespace ktrain
