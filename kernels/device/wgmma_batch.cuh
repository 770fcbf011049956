// Products with Hopper's own instructions, ProductTier::kWgmma: what product.cuh gives them.
#pragma once

#include "kernels/device/product_batch.cuh"
#include "kernels/device/wgmma_operand.cuh"

namespace ktrain::product {

using WgmmaProduct = Product<WgmmaOperand, WgmmaOperand, DenseOutput<Bfloat16>>;
using WgmmaBatch = ProductBatch<WgmmaProduct, 1>;

// Computes the batch's one product, whose operands are described but for their maps.
void multiply_wgmma(const char* name, CudaStream stream, const ProductPlan& plan, WgmmaBatch batch);

inline DenseOutput<Bfloat16> dense_output(const DenseOutput<Bfloat16>& from) { return from; }
// Every pixel in its order.
inline DenseOutput<Bfloat16> dense_output(const PixelOutput<Bfloat16>& from) {
  DenseOutput<Bfloat16> to;
  to.data = from.data;
  to.cols = from.channels;
  to.end = from.end;
  to.aligned = from.aligned;
  return to;
}

// The batch for this tier; false where its operands are not for tensor copies.
template <class P>
bool describe(const ProductBatch<P, 1>& from, WgmmaBatch& to) {
  const P& p = from.products[0];
  if constexpr (requires { p.output.stride; })
    if (p.output.stride != 1) return false;
  WgmmaProduct& w = to.products[0];
  if (p.m == 0 || p.n == 0 || p.k == 0 || !describe(p.a, w.a) || !describe(p.b, w.b)) return false;
  w.output = dense_output(p.output);
  w.m = p.m;
  w.n = p.n;
  w.k = p.k;
  to.depth = from.depth;
  to.partials = from.partials;
  to.partials_aligned = from.partials_aligned;
  return true;
}

}  // namespace ktrain::product
