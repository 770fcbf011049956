// The gradients of the filters of a group of convolutions: for conv2d_group_products.cuh.
#pragma once

#include <algorithm>
#include <array>

#include "kernels/device/conv2d_operands.cuh"
#include "kernels/device/product_group.cuh"
#include "kernels/device/scaled_filters.cuh"

namespace ktrain::product {

template <class T>
DenseOutput<T> output_of(const Krsc<float>& dw) {
  DenseOutput<T> output;
  output.write_to(dw.data);
  output.cols = static_cast<int>(dw.rows * dw.cols * dw.channels);
  output.align();
  return output;
}

// The runs of gradient i are numbers first[i] to first[i + 1] - 1.
inline std::array<int, kMaxGroup + 1> first_runs(const ConvGroup& group, std::size_t members,
                                                 std::size_t gradients) {
  std::array<int, kMaxGroup + 1> first{};
  int run = 0;
  for (std::size_t i = 0; i < members; ++i) {
    run += runs_of(group.shapes[i].k, group.plan.depth);
    first[gradients == 1 ? 1 : i + 1] = run;
  }
  return first;
}

// Where the sums of g's columns stand from run `first` on: behind the runs of the gradients.
inline float* row_sums_of(const ConvGroup& group, float* workspace, int first) {
  return workspace + group_workspace(group.plan, group.shapes[0]) + first * group.shapes[0].m;
}

template <class T>
RowSumRuns row_sum_runs(const ConvGroup& group, float* workspace, int first,
                        const FilterGradient<T>& to) {
  if (to.dshift.empty() || !group.plan.through_runs) return {};
  return {row_sums_of(group, workspace, first), to.dshift.data};
}

// To the gradients, or to the workspace.
template <class T>
void multiply_weights(const char* name, CudaStream stream, const ConvGroup& group,
                      std::span<const WeightsMember<T>> members, Span<float> workspace,
                      std::span<const FilterGradient<T>> to, const Conv2dOptions& options) {
  if (group.plan.through_runs && group.plan.splits == 0) return;  // of no pixels
  const auto gradients = [&](std::size_t i) {
    return DenseAlongSide<T>(members[i].g.data, group.shapes[i].m, group.shapes[i].k);
  };
  const auto output = [&](std::size_t i) {
    return group.plan.through_runs ? DenseOutput<T>{} : output_of<T>(to[i].dw);
  };
  const auto first = first_runs(group, members.size(), members.size());
  const auto row_sums = [&](std::size_t i) -> float* {
    const Span<float> dshift = to[to.size() == 1 ? 0 : i].dshift;
    if (dshift.empty()) return nullptr;
    return group.plan.through_runs ? row_sums_of(group, workspace.data, first[i]) : dshift.data;
  };
  const Krsc<float>& dw = to[0].dw;
  if (is_plain(dw, options)) {
    multiply_members<Product<DenseAlongSide<T>, DenseAlongSide<T>, DenseOutput<T>>>(
        name, stream, group, workspace, members.size(), [&](std::size_t i) {
          const ProductShape& shape = group.shapes[i];
          return product_from(gradients(i), DenseAlongSide<T>(members[i].x.data, shape.n, shape.k),
                              output(i), shape, row_sums(i));
        });
    return;
  }
  multiply_members<Product<DenseAlongSide<T>, WindowsAlongSide<T>, DenseOutput<T>>>(
      name, stream, group, workspace, members.size(), [&](std::size_t i) {
        const auto& [x, g] = members[i];
        return product_from(gradients(i), WindowsAlongSide<T>{windows_of(x, g, dw, options)},
                            output(i), group.shapes[i], row_sums(i));
      });
}

template <class T>
void scale_group_gradients(const char* name, CudaStream stream, const ConvGroup& group,
                           const std::array<int, kMaxGroup + 1>& first, float* runs,
                           std::span<const FilterGradient<T>> to) {
  ScaledGradients<T, kGroup> all;
  const Krsc<float>& dw = to[0].dw;
  all.run_size = dw.size();
  all.filters = static_cast<int>(dw.filters);
  all.taps = static_cast<int>(dw.rows * dw.cols * dw.channels);
  all.aligned = all.taps % 4 == 0;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto& [gradient, forward, dscale, dshift] = to[i];
    all.runs[i] = group.plan.through_runs ? runs + first[i] * all.run_size : gradient.data;
    all.num_runs[i] = group.plan.through_runs ? first[i + 1] - first[i] : 1;
    all.w[i] = forward.w.data;
    all.scale[i] = forward.scale.data;
    all.dw[i] = gradient.data;
    all.dscale[i] = data_or_null(dscale);
    all.rows[i] = row_sum_runs(group, runs, first[i], to[i]);
    all.aligned = all.aligned && aligned_for_quads(all.runs[i]) && aligned_for_quads(all.w[i]) &&
                  aligned_for_quads(all.dw[i]);
  }
  launch(name, scale_gradients_kernel<T, kGroup>, dw.filters * std::ssize(to), kFilterThreads,
         stream, all);
}

template <class T>
void group_backward_weights(CudaStream stream, std::span<const WeightsMember<T>> members,
                            Span<float> workspace, std::span<const FilterGradient<T>> to,
                            const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_group_backward_weights";
  const ConvGroup group = plan_weights<T>(members, to, options);
  check_workspace(kWho, workspace.size, group.workspace);
  for (const auto& [dw, forward, dscale, dshift] : to)
    check_gradient<T>(kWho, forward, dw, dscale, dshift);
  for (const WeightsMember<T>& m : members) check_map(kWho, m.x);
  if (group.shapes[0].m == 0) return;
  multiply_weights(kWho, stream, group, members, workspace, to, options);
  const auto first = first_runs(group, members.size(), to.size());
  if (!to[0].forward.scale.empty())
    return scale_group_gradients<T>(kWho, stream, group, first, workspace.data, to);
  if (!group.plan.through_runs) return;
  SumsOfRuns<DenseOutput<T>> sums;
  std::copy(first.begin(), first.end(), sums.first_run);
  for (std::size_t i = 0; i < to.size(); ++i) {
    sums.outputs[i] = output_of<T>(to[i].dw);
    sums.rows[i] = row_sum_runs(group, workspace.data, first[i], to[i]);
  }
  finish_group(kWho, stream, sums, to.size(), group.shapes[0], workspace.data);
}

}  // namespace ktrain::product
