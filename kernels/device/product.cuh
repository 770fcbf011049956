// Products on the GPU: sends a plan's work to its tier, and adds the runs of a k that was cut.
// A further tier is a file beside product_mma.cuh and a line in multiply_products().
#pragma once

#include <algorithm>

#include "kernels/device/product_batch.cuh"
#include "kernels/device/product_mma.cuh"
#include "kernels/device/product_simt.cuh"
#include "kernels/device/row_sum_runs.cuh"
#include "kernels/device/wgmma_batch.cuh"

namespace ktrain::product {

// What tensor copies cannot bring (an odd address, say) is multiplied by the tier kMma, in the same
// runs of k.
template <class P, int kCount>
void multiply_wgmma_or_mma(const char* name, CudaStream stream, const ProductPlan& plan,
                           const ProductBatch<P, kCount>& batch) {
  if constexpr (kHasWgmma<kCount> && std::is_same_v<typename P::A::Element, Bfloat16>) {
    WgmmaBatch<kCount> described{};
    if (describe(batch, described)) return multiply_wgmma(name, stream, plan, described);
  }
  ProductPlan other = plan;
  other.tile = plan.tile == ProductTile::kSlim ? ProductTile::kSmall : ProductTile::kLarge;
  multiply_mma(name, stream, other, batch);
}

// Computes the batch's products as `plan` says: whole, or, where there is a place for them, runs
// that a later kernel adds.
template <class P, int kCount>
void multiply_products(const char* name, CudaStream stream, const ProductPlan& plan, float* runs,
                       ProductBatch<P, kCount> batch) {
  int deepest = 0;
  for (const P& p : batch.products) {
    deepest = p.k > deepest ? p.k : deepest;
    KT_CHECK(!p.row_sums || kSumsRows<P>, "{}: sums of rows of an operand along k", name);
  }
  batch.depth = runs ? static_cast<int>(plan.depth) : deepest;
  batch.partials = runs;
  batch.partials_aligned = batch.products[0].n % 4 == 0 && aligned_for_quads(runs);
  switch (plan.tier) {
    case ProductTier::kSimt:
      if constexpr (std::is_same_v<typename P::A::Element, float>)
        return multiply_simt(name, stream, plan, batch);
      KT_CHECK(false, "{}: bf16 is multiplied on tensor cores only", name);
    case ProductTier::kMma:
      return multiply_mma(name, stream, plan, batch);
    case ProductTier::kWgmma:
      return multiply_wgmma_or_mma(name, stream, plan, batch);
  }
}

// The same by a plan for one product, or for several that it leaves whole. Where k is cut, the
// workspace holds product_workspace() floats and gets the runs; the caller adds them:
// finish_runs().
template <class P, int kCount>
void multiply_batch(const char* name, CudaStream stream, const ProductPlan& plan,
                    Span<float> workspace, const ProductBatch<P, kCount>& batch) {
  const bool cut = plan.splits > 1;
  KT_CHECK(!cut || kCount == 1, "{}: {} runs of {} products", name, plan.splits, kCount);
  multiply_products(name, stream, plan, cut ? workspace.data : nullptr, batch);
}

constexpr int kFinishThreads = 256;

// A thread per quad of c, and, where they are summed, per row. The runs are added in their order.
template <class Output>
__global__ void __launch_bounds__(kFinishThreads)
    finish_runs_kernel(const float* partials, int runs, int m, int n, bool aligned, Output output,
                       RowSumRuns rows) {
  const int quads = (n + 3) / 4;
  const std::int64_t i = std::int64_t{blockIdx.x} * kFinishThreads + threadIdx.x;
  if (rows.to && i < m) rows.finish(static_cast<int>(i), m, runs);
  if (i >= std::int64_t{m} * quads) return;
  const int r = static_cast<int>(i / quads), c = static_cast<int>(i % quads) * 4;
  const std::int64_t run_size = std::int64_t{m} * n;
  const float* const p = partials + std::int64_t{r} * n + c;
  float4 total = no_quad();
#pragma unroll 4
  for (int run = 0; run < runs; ++run)
    total = sum_of(total, load_quad(p + run * run_size, aligned, n - c));
  output.put(r, c, total);
}

// The sum of a plan's runs, to the output.
template <class Output>
void finish_runs(const char* name, CudaStream stream, const ProductPlan& plan,
                 Span<float> workspace, int m, int n, const Output& output,
                 const RowSumRuns& rows = {}) {
  const std::int64_t across = std::max<std::int64_t>(num_blocks(n, 4), rows.to ? 1 : 0);
  if (m == 0 || across == 0) return;
  const bool aligned = n % 4 == 0 && aligned_for_quads(workspace.data);
  launch(name, finish_runs_kernel<Output>, num_blocks(m * across, kFinishThreads), kFinishThreads,
         stream, workspace.data, plan.splits, m, n, aligned, output, rows);
}

// One product, whatever the plan.
template <class P>
void multiply(const char* name, CudaStream stream, const ProductPlan& plan, Span<float> workspace,
              const P& p) {
  ProductBatch<P, 1> batch{};
  batch.products[0] = p;
  multiply_batch(name, stream, plan, workspace, batch);
  if (plan.splits > 1) finish_runs(name, stream, plan, workspace, p.m, p.n, p.output);
}

}  // namespace ktrain::product
