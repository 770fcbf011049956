// The plan of a group of convolutions (kernels/conv2d_group.h) on the GPU: what its launch and the
// size of its workspace agree on. Each member is checked as the convolution that it is.
#pragma once

#include <array>
#include <type_traits>

#include "kernels/checks/conv2d_group.h"
#include "kernels/product_plan.h"

namespace ktrain::product {

struct ConvGroup {
  GroupPlan plan;
  std::array<ProductShape, kMaxGroup> shapes;  // of the members' products
  std::int64_t workspace = 0;                  // floats
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

// Sums over taps are left whole: it is the other members that fill the GPU.
template <class T, class Y>
ConvGroup plan_forward(std::span<const ForwardMember<T, Y>> members, const Conv2dOptions& options) {
  checks::conv2d_group("conv2d_group_forward", members, options, [](const auto& m) { return m.x; });
  return plan_members<T>(members, false, options, [&](const ForwardMember<T, Y>& m) {
    const Nhwc<const T> y{nullptr, m.y.batch, m.y.height, m.y.width, m.y.channels};
    (void)cuda::conv2d_forward_workspace<T>(m.x, m.w, {{}, m.shift, {}}, y, options);
    ProductShape shape = forward_product(m.w, m.y);
    shape.may_split = false;
    return shape;
  });
}

template <class T>
ConvGroup plan_data(std::span<const DataMember<T>> members, const Conv2dOptions& options) {
  checks::conv2d_group("conv2d_group_backward_data", members, options,
                       [](const auto& m) { return m.dx; });
  return plan_members<T>(members, false, options, [&](const DataMember<T>& m) {
    (void)cuda::conv2d_backward_data_workspace<T>(m.g, m.w, {}, m.dx, options);
    ProductShape shape = data_product(m.w, m.dx, options);
    shape.may_split = false;
    return shape;
  });
}

template <class T>
ConvGroup plan_weights(std::span<const WeightsMember<T>> members, std::span<const Krsc<Wide<T>>> dw,
                       const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_group_backward_weights";
  checks::conv2d_group(kWho, members, options, [](const auto& m) { return m.x; });
  checks::conv2d_group_gradients(kWho, members.size(), dw);
  const Krsc<const Wide<T>> filters = dw[0];
  return plan_members<T>(
      members, dw.size() < members.size(), options, [&](const WeightsMember<T>& m) {
        (void)cuda::conv2d_backward_weights_workspace<T>(m.x, m.g, filters, {}, options);
        return weights_product(m.g, filters);
      });
}

}  // namespace ktrain::product
