// What conv2d_group.cu and conv2d_group_bf16.cu share: the passes of a group of convolutions of T,
// a launch each for all members. A member alone goes where a convolution alone goes.
#pragma once

#include "kernels/device/conv2d_group_plan.h"
#include "kernels/device/conv2d_operands.cuh"
#include "kernels/device/product.cuh"

namespace ktrain::product {

constexpr int kGroup = static_cast<int>(kMaxGroup);

// Some sums of runs, one after another: output i's are numbers first_run[i] to first_run[i + 1].
template <class Output>
struct SumsOfRuns {
  Output outputs[kGroup];
  int first_run[kGroup + 1] = {};
  const float* runs = nullptr;  // m x n each
  int m = 0, n = 0;
  bool aligned = false;
  int blocks = 0;  // of one sum
};

// A thread per quad of an output. Runs are added in their order.
template <class Output>
__global__ void __launch_bounds__(kFinishThreads)
    finish_group_kernel(const __grid_constant__ SumsOfRuns<Output> sums) {
  const int which = static_cast<int>(blockIdx.x) / sums.blocks;
  const int block = static_cast<int>(blockIdx.x) - which * sums.blocks;
  const int quads = (sums.n + 3) / 4;
  const std::int64_t i = std::int64_t{block} * kFinishThreads + threadIdx.x;
  if (i >= std::int64_t{sums.m} * quads) return;
  const int r = static_cast<int>(i / quads), c = static_cast<int>(i % quads) * 4;
  const std::int64_t run_size = std::int64_t{sums.m} * sums.n;
  const float* const p = sums.runs + std::int64_t{r} * sums.n + c;
  const int end = sums.first_run[which + 1];
  float4 total = no_quad();
#pragma unroll 4
  for (int run = sums.first_run[which]; run < end; ++run)
    total = sum_of(total, load_quad(p + run * run_size, sums.aligned, sums.n - c));
  sums.outputs[which].put(r, c, total);
}

// The products P that make_product() says of each member, in one launch. (Named, as nvcc writes
// types that are deduced from a lambda into its stubs, and cannot read them there.)
template <class P, class Member, class MakeProduct>
void multiply_members(const char* name, CudaStream stream, const GroupPlan& plan,
                      Span<float> workspace, std::span<const Member> members,
                      const MakeProduct& make_product) {
  ProductBatch<P, kGroup> batch{};
  for (std::size_t i = 0; i < members.size(); ++i) batch.products[i] = make_product(i);
  multiply_products(name, stream, plan, plan.through_runs ? workspace.data : nullptr, batch);
}

template <class A, class B, class Output>
Product<A, B, Output> product_from(const A& a, const B& b, const Output& output,
                                   const ProductShape& shape) {
  return {a,
          b,
          output,
          static_cast<int>(shape.m),
          static_cast<int>(shape.n),
          static_cast<int>(shape.k)};
}

template <class T, class Y>
DenseOutput<T> output_of(const ForwardMember<T, Y>& m, const Conv2dOptions& options) {
  DenseOutput<T> output;
  output.write_to(m.y.data);
  output.cols = static_cast<int>(m.y.channels);
  output.shift = m.shift.empty() ? nullptr : m.shift.data;
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

template <class T>
DenseOutput<T> output_of(const Krsc<float>& dw) {
  DenseOutput<T> output;
  output.write_to(dw.data);
  output.cols = static_cast<int>(dw.rows * dw.cols * dw.channels);
  output.align();
  return output;
}

template <class T, class Y>
void group_forward(CudaStream stream, std::span<const ForwardMember<T, Y>> members,
                   Span<float> workspace, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_group_forward";
  const ConvGroup group = plan_forward<T, Y>(members, options);
  for (const ForwardMember<T, Y>& m : members) check_map(kWho, m.x);
  const auto filters = [&](std::size_t i) {
    return DenseAlongK<T>(members[i].w.data, group.shapes[i].n, group.shapes[i].k);
  };
  if (is_plain(members[0].w, options))
    return multiply_members<Product<DenseAlongK<T>, DenseAlongK<T>, DenseOutput<T>>>(
        kWho, stream, group.plan, workspace, members, [&](std::size_t i) {
          const ProductShape& shape = group.shapes[i];
          return product_from(DenseAlongK<T>(members[i].x.data, shape.m, shape.k), filters(i),
                              output_of(members[i], options), shape);
        });
  multiply_members<Product<WindowsAlongK<T>, DenseAlongK<T>, DenseOutput<T>>>(
      kWho, stream, group.plan, workspace, members, [&](std::size_t i) {
        const ForwardMember<T, Y>& m = members[i];
        return product_from(WindowsAlongK<T>{windows_of(m.x, m.y, m.w, options)}, filters(i),
                            output_of(m, options), group.shapes[i]);
      });
}

template <class T>
void group_backward_data(CudaStream stream, std::span<const DataMember<T>> members,
                         Span<float> workspace, const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_group_backward_data";
  const ConvGroup group = plan_data<T>(members, options);
  for (const DataMember<T>& m : members) {
    check_end(kWho, m.end, m.dx);
    check_map(kWho, m.dx);
  }
  if (is_plain(members[0].w, options))
    return multiply_members<Product<DenseAlongK<T>, DenseAlongSide<T>, DenseOutput<T>>>(
        kWho, stream, group.plan, workspace, members, [&](std::size_t i) {
          const ProductShape& shape = group.shapes[i];
          return product_from(DenseAlongK<T>(members[i].g.data, shape.m, shape.k),
                              DenseAlongSide<T>(members[i].w.data, shape.n, shape.k),
                              output_of(members[i]), shape);
        });
  multiply_members<DataProduct<T>>(
      kWho, stream, group.plan, workspace, members, [&](std::size_t i) {
        const auto& [g, w, dx, end] = members[i];
        return data_product_of(g, w, {}, dx, quad_end(end), Phase(0, dx.height, w.rows, options),
                               Phase(0, dx.width, w.cols, options), options);
      });
}

// To the gradients, or to the workspace.
template <class T>
void multiply_weights(const char* name, CudaStream stream, const ConvGroup& group,
                      std::span<const WeightsMember<T>> members, Span<float> workspace,
                      std::span<const Krsc<float>> dw, const Conv2dOptions& options) {
  if (group.plan.through_runs && group.plan.splits == 0) return;  // of no pixels
  const auto gradients = [&](std::size_t i) {
    return DenseAlongSide<T>(members[i].g.data, group.shapes[i].m, group.shapes[i].k);
  };
  const auto output = [&](std::size_t i) {
    return group.plan.through_runs ? DenseOutput<T>{} : output_of<T>(dw[i]);
  };
  if (is_plain(dw[0], options))
    return multiply_members<Product<DenseAlongSide<T>, DenseAlongSide<T>, DenseOutput<T>>>(
        name, stream, group.plan, workspace, members, [&](std::size_t i) {
          const ProductShape& shape = group.shapes[i];
          return product_from(gradients(i), DenseAlongSide<T>(members[i].x.data, shape.n, shape.k),
                              output(i), shape);
        });
  multiply_members<Product<DenseAlongSide<T>, WindowsAlongSide<T>, DenseOutput<T>>>(
      name, stream, group.plan, workspace, members, [&](std::size_t i) {
        const auto& [x, g] = members[i];
        return product_from(gradients(i), WindowsAlongSide<T>{windows_of(x, g, dw[0], options)},
                            output(i), group.shapes[i]);
      });
}

template <class T>
void group_backward_weights(CudaStream stream, std::span<const WeightsMember<T>> members,
                            Span<float> workspace, std::span<const Krsc<float>> dw,
                            const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_group_backward_weights";
  const ConvGroup group = plan_weights<T>(members, dw, options);
  check_workspace(kWho, workspace.size, group.workspace);
  for (const WeightsMember<T>& m : members) check_map(kWho, m.x);
  const ProductShape& shape = group.shapes[0];
  if (shape.m == 0 || shape.n == 0) return;
  multiply_weights(kWho, stream, group, members, workspace, dw, options);
  if (!group.plan.through_runs) return;
  SumsOfRuns<DenseOutput<T>> sums;
  int run = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    run += runs_of(group.shapes[i].k, group.plan.depth);
    sums.first_run[dw.size() == 1 ? 1 : i + 1] = run;
  }
  for (std::size_t i = 0; i < dw.size(); ++i) sums.outputs[i] = output_of<T>(dw[i]);
  sums.runs = workspace.data;
  sums.m = static_cast<int>(shape.m);
  sums.n = static_cast<int>(shape.n);
  sums.aligned = shape.n % 4 == 0 && aligned_for_quads(workspace.data);
  sums.blocks = static_cast<int>(num_blocks(shape.m * num_blocks(shape.n, 4), kFinishThreads));
  launch(kWho, finish_group_kernel<DenseOutput<T>>,
         sums.blocks * static_cast<std::int64_t>(dw.size()), kFinishThreads, stream, sums);
}

}  // namespace ktrain::product

namespace ktrain::cuda {

template <class T, class Y>
void conv2d_group_forward(CudaStream stream, std::span<const ForwardMember<T, Y>> members,
                          Span<Wide<T>> workspace, const Conv2dOptions& options) {
  if (members.size() != 1) return product::group_forward<T, Y>(stream, members, workspace, options);
  checks::conv2d_group("conv2d_group_forward", members, options, [](const auto& m) { return m.x; });
  const auto& [x, w, shift, y] = members[0];
  conv2d_forward<T, Y>(stream, x, w, {{}, shift, {}}, workspace, y, options);
}

template <class T>
void conv2d_group_backward_data(CudaStream stream, std::span<const DataMember<T>> members,
                                Span<Wide<T>> workspace, const Conv2dOptions& options) {
  if (members.size() != 1)
    return product::group_backward_data<T>(stream, members, workspace, options);
  checks::conv2d_group("conv2d_group_backward_data", members, options,
                       [](const auto& m) { return m.dx; });
  const auto& [g, w, dx, end] = members[0];
  conv2d_backward_data<T>(stream, g, w, {}, workspace, dx, options, end);
}

template <class T>
void conv2d_group_backward_weights(CudaStream stream, std::span<const WeightsMember<T>> members,
                                   Span<Wide<T>> workspace, std::span<const Krsc<Wide<T>>> dw,
                                   const Conv2dOptions& options) {
  if (members.size() != 1)
    return product::group_backward_weights<T>(stream, members, workspace, dw, options);
  constexpr auto kWho = "conv2d_group_backward_weights";
  checks::conv2d_group(kWho, members, options, [](const auto& m) { return m.x; });
  checks::conv2d_group_gradients(kWho, 1, dw);
  conv2d_backward_weights<T>(stream, members[0].x, members[0].g, {}, workspace, dw[0], {}, {},
                             options);
}

// conv2d_group.h for T; KT_CONV2D_GROUP_FORWARD for outputs of Y.
#define KT_CONV2D_GROUP_FORWARD(T, Y)                                                  \
  template void conv2d_group_forward(CudaStream, std::span<const ForwardMember<T, Y>>, \
                                     Span<Wide<T>>, const Conv2dOptions&);
#define KT_CONV2D_GROUP_BACKWARD(T)                                                          \
  template void conv2d_group_backward_data(CudaStream, std::span<const DataMember<T>>,       \
                                           Span<Wide<T>>, const Conv2dOptions&);             \
  template void conv2d_group_backward_weights(CudaStream, std::span<const WeightsMember<T>>, \
                                              Span<Wide<T>>, std::span<const Krsc<Wide<T>>>, \
                                              const Conv2dOptions&);

}  // namespace ktrain::cuda
