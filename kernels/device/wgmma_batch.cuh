// Products with Hopper's own instructions, ProductTier::kWgmma: what product.cuh gives them.
#pragma once

#include "kernels/conv2d_group.h"
#include "kernels/device/product_batch.cuh"
#include "kernels/device/wgmma_operand.cuh"

namespace ktrain::product {

using WgmmaProduct = Product<WgmmaOperand, WgmmaOperand, DenseOutput<Bfloat16>>;
// More than 4 KiB of arguments for a group: CUDA 12.1 and its drivers take them.
template <int kCount>
using WgmmaBatch = ProductBatch<WgmmaProduct, kCount>;

// Is the tier compiled for so many products a launch? One, and groups of convolutions.
template <int kCount>
constexpr bool kHasWgmma = kCount == 1 || kCount == static_cast<int>(kMaxGroup);

// Computes the batch's products, whose operands are described but for their maps. All run alike
// along k or their sides; what has no k has no operands.
template <int kCount>
void multiply_wgmma(const char* name, CudaStream stream, const ProductPlan& plan,
                    WgmmaBatch<kCount> batch);

// The batch for this tier; false where its operands are not for tensor copies, or there are none.
template <class P, int kCount>
bool describe(const ProductBatch<P, kCount>& from, WgmmaBatch<kCount>& to) {
  bool any = false;
  for (int i = 0; i < kCount; ++i) {
    const P& p = from.products[i];
    if (p.m == 0 || p.n == 0) continue;
    if constexpr (requires { p.output.stride; })
      if (p.output.stride != 1) return false;
    WgmmaProduct& w = to.products[i];
    w.output = dense_output(p.output);
    w.m = p.m;
    w.n = p.n;
    w.k = p.k;
    w.row_sums = p.row_sums;
    if (p.k == 0) continue;
    if (!describe(p.a, w.a) || !describe(p.b, w.b)) return false;
    any = true;
  }
  to.depth = from.depth;
  to.partials = from.partials;
  to.partials_aligned = from.partials_aligned;
  return any;
}

}  // namespace ktrain::product
