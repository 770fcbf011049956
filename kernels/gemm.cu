// A matrix product in the four forms of its transposes, each with operands that run along their
// memory (device/product_operands.cuh). product_plan.h chooses, device/product_simt.cuh does the
// arithmetic. The epilogue is applied to what stands in registers. Where k is cut, in
// tall weight gradients, runs go to the workspace and are added in their order.
#include "kernels/gemm.h"

#include "kernels/check.h"
#include "kernels/device/dense_product.cuh"
#include "kernels/device/product.cuh"

namespace ktrain {
namespace product {
namespace {

template <class A, class B>
void multiply_dense(const char* name, CudaStream stream, const ProductPlan& plan,
                    Span<float> workspace, const DenseProduct& p, const A& a, const B& b) {
  ProductBatch<Product<A, B, DenseOutput>, 1> batch{};
  batch.products[0] = {
      a, b, p.output, static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k)};
  multiply_batch(name, stream, plan, workspace, batch);
}

}  // namespace

void dense_product_runs(const char* name, CudaStream stream, const ProductPlan& plan,
                        Span<float> workspace, const DenseProduct& p) {
  const DenseAlongK a_along_k(p.a, p.m, p.k), b_along_k(p.b, p.n, p.k);
  const DenseAlongSide a_along_m(p.a, p.m, p.k), b_along_n(p.b, p.n, p.k, p.scale);
  KT_CHECK(!p.scale || !p.b_along_k, "{}: rows are scaled where they are rows of memory", name);
  if (p.a_along_k && p.b_along_k)
    multiply_dense(name, stream, plan, workspace, p, a_along_k, b_along_k);
  else if (p.a_along_k)
    multiply_dense(name, stream, plan, workspace, p, a_along_k, b_along_n);
  else if (p.b_along_k)
    multiply_dense(name, stream, plan, workspace, p, a_along_m, b_along_k);
  else
    multiply_dense(name, stream, plan, workspace, p, a_along_m, b_along_n);
}

void dense_product(const char* name, CudaStream stream, const ProductPlan& plan,
                   Span<float> workspace, const DenseProduct& p) {
  dense_product_runs(name, stream, plan, workspace, p);
  if (plan.splits > 1)
    finish_runs(name, stream, plan, workspace, static_cast<int>(p.m), static_cast<int>(p.n),
                p.output);
}

}  // namespace product

namespace cuda {

void gemm(CudaStream stream, Rows<const float> a, Rows<const float> b, Span<const float> bias,
          Span<float> workspace, Rows<float> c, const GemmOptions& options) {
  const std::int64_t wanted = gemm_workspace(a, b, bias, c, options);
  KT_CHECK(workspace.size >= wanted, "gemm: workspace has {} elements, wanted {}", workspace.size,
           wanted);
  if (c.empty()) return;
  product::DenseProduct p;
  p.m = c.rows;
  p.n = c.cols;
  p.k = options.transpose_a ? a.rows : a.cols;
  p.a = a.data;
  p.b = b.data;
  p.a_along_k = !options.transpose_a;
  p.b_along_k = options.transpose_b;
  p.output.data = c.data;
  p.output.cols = static_cast<int>(c.cols);
  p.output.shift = bias.empty() ? nullptr : bias.data;
  p.output.relu = options.relu;
  p.output.align();
  product::dense_product("gemm", stream, plan_product(gpu_architecture(), {p.m, p.n, p.k}),
                         workspace, p);
}

}  // namespace cuda
}  // namespace ktrain
