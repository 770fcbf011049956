// Products of a group of convolutions in one launch, and the sums of their runs in another.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/device/conv2d_group_plan.h"
#include "kernels/device/product.cuh"

namespace ktrain::product {

constexpr int kGroup = static_cast<int>(kMaxGroup);

// Some sums of runs, one after another: output i's are numbers first_run[i] to first_run[i + 1].
template <class Output>
struct SumsOfRuns {
  Output outputs[kGroup];
  RowSumRuns rows[kGroup];  // of the same runs
  int first_run[kGroup + 1] = {};
  const float* runs = nullptr;  // m x n each
  int m = 0, n = 0;
  bool aligned = false;
  int blocks = 0;  // of one sum
};

// A thread per quad of an output, and, where they are summed, per row. Runs are added in their
// order.
template <class Output>
__global__ void __launch_bounds__(kFinishThreads)
    finish_group_kernel(const __grid_constant__ SumsOfRuns<Output> sums) {
  const int which = static_cast<int>(blockIdx.x) / sums.blocks;
  const int block = static_cast<int>(blockIdx.x) - which * sums.blocks;
  const int quads = (sums.n + 3) / 4;
  const std::int64_t i = std::int64_t{block} * kFinishThreads + threadIdx.x;
  if (sums.rows[which].to && i < sums.m)
    sums.rows[which].finish(static_cast<int>(i), sums.m,
                            sums.first_run[which + 1] - sums.first_run[which]);
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

template <class Output>
void finish_group(const char* name, CudaStream stream, SumsOfRuns<Output>& sums,
                  std::size_t outputs, const ProductShape& shape, const float* runs) {
  sums.runs = runs;
  sums.m = static_cast<int>(shape.m);
  sums.n = static_cast<int>(shape.n);
  sums.aligned = shape.n % 4 == 0 && aligned_for_quads(runs);
  const bool any_rows = std::ranges::any_of(sums.rows, [](const RowSumRuns& r) { return r.to; });
  const std::int64_t across = std::max<std::int64_t>(num_blocks(shape.n, 4), any_rows ? 1 : 0);
  sums.blocks = static_cast<int>(num_blocks(shape.m * across, kFinishThreads));
  if (sums.blocks == 0) return;
  launch(name, finish_group_kernel<Output>, sums.blocks * static_cast<std::int64_t>(outputs),
         kFinishThreads, stream, sums);
}

// Each member's runs are added and go to its own output.
template <class P>
void finish_members(const char* name, CudaStream stream, const ConvGroup& group, const float* runs,
                    const ProductBatch<P, kGroup>& batch, std::size_t members) {
  SumsOfRuns<decltype(dense_output(P::output))> sums;
  for (std::size_t i = 0; i < members; ++i) {
    sums.outputs[i] = dense_output(batch.products[i].output);
    sums.first_run[i + 1] = sums.first_run[i] + runs_of(batch.products[i].k, group.plan.depth);
  }
  finish_group(name, stream, sums, members, group.shapes[0], runs);
}

// The products P that make_product() says of each member, in one launch. (Named, as nvcc writes
// types that are deduced from a lambda into its stubs, and cannot read them there.)
template <class P, class MakeProduct>
ProductBatch<P, kGroup> multiply_members(const char* name, CudaStream stream,
                                         const ConvGroup& group, Span<float> workspace,
                                         std::size_t members, const MakeProduct& make_product) {
  ProductBatch<P, kGroup> batch{};
  for (std::size_t i = 0; i < members; ++i) batch.products[i] = make_product(i);
  multiply_products(name, stream, group.plan, group.plan.through_runs ? workspace.data : nullptr,
                    batch);
  return batch;
}

// The same with every member's own output.
template <class P, class MakeProduct>
void multiply_and_finish(const char* name, CudaStream stream, const ConvGroup& group,
                         Span<float> workspace, std::size_t members,
                         const MakeProduct& make_product) {
  const auto batch = multiply_members<P>(name, stream, group, workspace, members, make_product);
  if (group.plan.through_runs) finish_members(name, stream, group, workspace.data, batch, members);
}

template <class A, class B, class Output>
Product<A, B, Output> product_from(const A& a, const B& b, const Output& output,
                                   const ProductShape& shape, float* row_sums = nullptr) {
  return {a,
          b,
          output,
          static_cast<int>(shape.m),
          static_cast<int>(shape.n),
          static_cast<int>(shape.k),
          row_sums};
}

}  // namespace ktrain::product
