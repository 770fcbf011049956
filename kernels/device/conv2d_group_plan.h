// The plan of a group of convolutions (kernels/conv2d_group.h) on the GPU: what its launch and the
// size of its workspace agree on. Each member is checked as the convolution that it is.
#pragma once

#include <algorithm>
#include <array>
#include <type_traits>

#include "kernels/checks/conv2d_group.h"
#include "kernels/product_plan.h"

namespace ktrain::product {

struct ConvGroup {
  GroupPlan plan;
  std::array<ProductShape, kMaxGroup> shapes;  // of the members' products
  std::int64_t scaled_filters = 0;             // floats of a member's
  std::int64_t workspace = 0;                  // floats: scaled filters, then runs
};

// `shape_of` a member: its product, `summed` as plan_group() has it.
template <class T, class Member, class ShapeOf>
ConvGroup plan_members(std::span<const Member> members, bool summed, const Conv2dOptions& options,
                       const ShapeOf& shape_of) {
  ConvGroup group;
  for (std::size_t i = 0; i < members.size(); ++i) {
    group.shapes[i] = shape_of(members[i]);
    group.shapes[i].precision = std::is_same_v<T, Bfloat16> ? Precision::kBf16 : options.precision;
  }
  group.plan = plan_group(gpu_architecture(), {group.shapes.data(), members.size()}, summed);
  group.workspace = group_workspace(group.plan, group.shapes[0]);
  return group;
}

template <class T, class Y>
ConvGroup plan_forward(std::span<const ForwardMember<T, Y>> members, const Conv2dOptions& options) {
  checks::conv2d_group_forward(members);
  return plan_members<T>(members, false, options, [&](const ForwardMember<T, Y>& m) {
    const Nhwc<const T> y{nullptr, m.y.batch, m.y.height, m.y.width, m.y.channels};
    (void)cuda::conv2d_forward_workspace<T>(m.x, m.w, m.epilogue, y, options);
    return forward_product(m.w, m.y);
  });
}

template <class T>
ConvGroup plan_data(std::span<const DataMember<T>> members, const Conv2dOptions& options) {
  checks::conv2d_group_data(members);
  ConvGroup group = plan_members<T>(members, false, options, [&](const DataMember<T>& m) {
    (void)cuda::conv2d_backward_data_workspace<T>(m.g, m.w, m.scale, m.dx, options);
    return data_product(m.w, m.dx, options);
  });
  if (!members[0].scale.empty())
    group.scaled_filters =
        scaled_filter_floats(group.plan, members[0].w.size() * std::int64_t{sizeof(T)});
  group.workspace += group.scaled_filters * static_cast<std::int64_t>(members.size());
  return group;
}

template <class T>
ConvGroup plan_weights(std::span<const WeightsMember<T>> members,
                       std::span<const FilterGradient<T>> to, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_group_backward_weights";
  checks::conv2d_group(kWho, members, [](const auto& m) { return m.x; });
  checks::conv2d_group_gradients(kWho, members.size(), to);
  const Krsc<const Wide<T>> filters = to[0].dw;
  ConvGroup group =
      plan_members<T>(members, to.size() < members.size(), options, [&](const WeightsMember<T>& m) {
        (void)cuda::conv2d_backward_weights_workspace<T>(m.x, m.g, filters, {}, options);
        return weights_product(m.g, filters);
      });
  if (std::ranges::any_of(to, [](const FilterGradient<T>& t) { return !t.dshift.empty(); }))
    group.workspace += group_row_sums_workspace(group.plan, group.shapes[0]);
  return group;
}

}  // namespace ktrain::product
