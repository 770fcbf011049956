// What conv2d_group.cu and conv2d_group_bf16.cu share: the passes of a group of convolutions of T,
// a launch each for the products of all members (with a stride s the data gradient has s^2 products
// for each member, and a launch takes eight). A member alone goes where a convolution alone goes.
#pragma once

#include <algorithm>
#include <array>

#include "kernels/device/conv2d_group_weights.cuh"

namespace ktrain::product {

template <class T, class Y>
DenseOutput<T> output_of(const ForwardMember<T, Y>& m, const Conv2dOptions& options) {
  DenseOutput<T> output;
  output.write_to(m.y.data);
  output.cols = static_cast<int>(m.y.channels);
  const auto& [scale, shift, residual] = m.epilogue;
  output.scale = scale.empty() ? nullptr : scale.data;
  output.shift = shift.empty() ? nullptr : shift.data;
  output.residual = residual.empty() ? nullptr : residual.data;
  output.relu = options.relu;
  output.align();
  return output;
}

template <class T>
DenseOutput<T> output_of(const DataMember<T>& m) {
  DenseOutput<T> output;
  output.data = m.dx.data;
  output.cols = static_cast<int>(m.dx.channels);
  output.end = quad_end(m.end);
  output.align();
  return output;
}

template <class T, class Y>
void group_forward(CudaStream stream, std::span<const ForwardMember<T, Y>> members,
                   Span<float> workspace, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_group_forward";
  const ConvGroup group = plan_forward<T, Y>(members, options);
  check_workspace(kWho, workspace.size, group.workspace);
  for (const ForwardMember<T, Y>& m : members) check_map(kWho, m.x);
  const auto filters = [&](std::size_t i) {
    return DenseAlongK<T>(members[i].w.data, group.shapes[i].n, group.shapes[i].k);
  };
  if (is_plain(members[0].w, options))
    return multiply_and_finish<Product<DenseAlongK<T>, DenseAlongK<T>, DenseOutput<T>>>(
        kWho, stream, group, workspace, members.size(), [&](std::size_t i) {
          const ProductShape& shape = group.shapes[i];
          return product_from(DenseAlongK<T>(members[i].x.data, shape.m, shape.k), filters(i),
                              output_of(members[i], options), shape);
        });
  multiply_and_finish<Product<WindowsAlongK<T>, DenseAlongK<T>, DenseOutput<T>>>(
      kWho, stream, group, workspace, members.size(), [&](std::size_t i) {
        const ForwardMember<T, Y>& m = members[i];
        return product_from(WindowsAlongK<T>{windows_of(m.x, m.y, m.w, options)}, filters(i),
                            output_of(m, options), group.shapes[i]);
      });
}

// scale_filters() of all members; a launch for all.
template <class T>
void scale_group_filters(const char* who, CudaStream stream, const ConvGroup& group,
                         std::span<DataMember<T>> members, Span<float>& workspace) {
  if (group.scaled_filters == 0) return;
  ScaledFilters<T, kGroup> all;
  const Krsc<const T>& w = members[0].w;
  all.filters = static_cast<int>(w.filters);
  all.taps = static_cast<int>(w.rows * w.cols * w.channels);
  all.aligned = all.taps % 4 == 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    all.w[i] = members[i].w.data;
    all.scale[i] = members[i].scale.data;
    all.scaled[i] = reinterpret_cast<T*>(workspace.data);
    all.aligned = all.aligned && aligned_for_quads(all.w[i]) && aligned_for_quads(all.scaled[i]);
    members[i].w.data = all.scaled[i];
    members[i].scale = {};
    workspace = {workspace.data + group.scaled_filters, workspace.size - group.scaled_filters};
  }
  launch(who, scale_filters_kernel<T, kGroup>, w.filters * std::ssize(members), kFilterThreads,
         stream, all);
}

// With a stride: the members' products of one phase after those of another, eight a launch.
template <class T>
void multiply_strided(const char* name, CudaStream stream, const ConvGroup& group,
                      std::span<const DataMember<T>> members, const Conv2dOptions& options) {
  ProductBatch<DataProduct<T>, kGroup> batch{};
  int count = 0;
  const auto go = [&] {
    if (count > 0) multiply_products(name, stream, group.plan, nullptr, batch);
    batch = {};
    count = 0;
  };
  for (std::int64_t row = 0; row < options.stride; ++row)
    for (std::int64_t col = 0; col < options.stride; ++col)
      for (const auto& [g, w, scale, dx, end] : members) {
        batch.products[count++] =
            data_product_of(g, w, scale, dx, quad_end(end), Phase(row, dx.height, w.rows, options),
                            Phase(col, dx.width, w.cols, options), options);
        if (count == kGroup) go();
      }
  go();
}

template <class T>
void group_backward_data(CudaStream stream, std::span<const DataMember<T>> given,
                         Span<float> workspace, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_group_backward_data";
  const ConvGroup group = plan_data<T>(given, options);
  check_workspace(kWho, workspace.size, group.workspace);
  for (const DataMember<T>& m : given) {
    check_end(kWho, m.end, m.dx.size());
    check_map(kWho, m.dx);
  }
  std::array<DataMember<T>, kMaxGroup> copies;
  std::copy(given.begin(), given.end(), copies.begin());
  const std::span<DataMember<T>> members{copies.data(), given.size()};
  scale_group_filters<T>(kWho, stream, group, members, workspace);
  if (options.stride > 1) return multiply_strided<T>(kWho, stream, group, members, options);
  if (is_plain(members[0].w, options))
    return multiply_and_finish<Product<DenseAlongK<T>, DenseAlongSide<T>, DenseOutput<T>>>(
        kWho, stream, group, workspace, members.size(), [&](std::size_t i) {
          const ProductShape& shape = group.shapes[i];
          const auto& [g, w, scale, dx, end] = members[i];
          return product_from(DenseAlongK<T>(g.data, shape.m, shape.k),
                              DenseAlongSide<T>(w.data, shape.n, shape.k, data_or_null(scale)),
                              output_of(members[i]), shape);
        });
  multiply_and_finish<DataProduct<T>>(
      kWho, stream, group, workspace, members.size(), [&](std::size_t i) {
        const auto& [g, w, scale, dx, end] = members[i];
        return data_product_of(g, w, scale, dx, quad_end(end), Phase(0, dx.height, w.rows, options),
                               Phase(0, dx.width, w.cols, options), options);
      });
}

}  // namespace ktrain::product

namespace ktrain::cuda {

template <class T, class Y>
void conv2d_group_forward(CudaStream stream, std::span<const ForwardMember<T, Y>> members,
                          Span<Wide<T>> workspace, const Conv2dOptions& options) {
  if (members.size() != 1) return product::group_forward<T, Y>(stream, members, workspace, options);
  checks::conv2d_group_forward(members);
  const auto& [x, w, epilogue, y] = members[0];
  conv2d_forward<T, Y>(stream, x, w, epilogue, workspace, y, options);
}

template <class T>
void conv2d_group_backward_data(CudaStream stream, std::span<const DataMember<T>> members,
                                Span<Wide<T>> workspace, const Conv2dOptions& options) {
  if (members.size() != 1)
    return product::group_backward_data<T>(stream, members, workspace, options);
  checks::conv2d_group_data(members);
  const auto& [g, w, scale, dx, end] = members[0];
  conv2d_backward_data<T>(stream, g, w, scale, workspace, dx, options, end);
}

template <class T>
void conv2d_group_backward_weights(CudaStream stream, std::span<const WeightsMember<T>> members,
                                   Span<Wide<T>> workspace, std::span<const FilterGradient<T>> to,
                                   const Conv2dOptions& options) {
  if (members.size() != 1)
    return product::group_backward_weights<T>(stream, members, workspace, to, options);
  constexpr auto kWho = "conv2d_group_backward_weights";
  checks::conv2d_group(kWho, members, [](const auto& m) { return m.x; });
  checks::conv2d_group_gradients(kWho, 1, to);
  conv2d_backward_weights<T>(stream, members[0].x, members[0].g, to[0].forward, workspace, to[0].dw,
                             to[0].dscale, to[0].dshift, options);
}

// conv2d_group.h for T; KT_CONV2D_GROUP_FORWARD for outputs of Y.
#define KT_CONV2D_GROUP_FORWARD(T, Y)                                                  \
  template void conv2d_group_forward(CudaStream, std::span<const ForwardMember<T, Y>>, \
                                     Span<Wide<T>>, const Conv2dOptions&);
#define KT_CONV2D_GROUP_BACKWARD(T)                                                              \
  template void conv2d_group_backward_data(CudaStream, std::span<const DataMember<T>>,           \
                                           Span<Wide<T>>, const Conv2dOptions&);                 \
  template void conv2d_group_backward_weights(CudaStream, std::span<const WeightsMember<T>>,     \
                                              Span<Wide<T>>, std::span<const FilterGradient<T>>, \
                                              const Conv2dOptions&);

}  // namespace ktrain::cuda
