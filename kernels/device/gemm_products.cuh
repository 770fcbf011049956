// What gemm.cu and gemm_bf16.cu share: products of plain matrices of T.
#pragma once

#include <type_traits>

#include "kernels/check.h"
#include "kernels/checks/gemm.h"
#include "kernels/device/dense_product.cuh"
#include "kernels/device/product.cuh"
#include "kernels/gemm.h"

namespace ktrain::product {

template <class T, class A, class B>
void multiply_dense(const char* name, CudaStream stream, const ProductPlan& plan,
                    Span<float> workspace, const DenseProduct<T>& p, const A& a, const B& b) {
  ProductBatch<Product<A, B, DenseOutput<T>>, 1> batch{};
  batch.products[0] = {
      a,         b, p.output, static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k),
      p.row_sums};
  multiply_batch(name, stream, plan, workspace, batch);
}

template <class T>
void dense_product_runs(const char* name, CudaStream stream, const ProductPlan& plan,
                        Span<float> workspace, const DenseProduct<T>& p) {
  const DenseAlongK<T> a_along_k(p.a, p.m, p.k), b_along_k(p.b, p.n, p.k);
  const DenseAlongSide<T> a_along_m(p.a, p.m, p.k), b_along_n(p.b, p.n, p.k, p.scale);
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

template <class T>
void dense_product(const char* name, CudaStream stream, const ProductPlan& plan,
                   Span<float> workspace, const DenseProduct<T>& p, const RowSumRuns& rows) {
  dense_product_runs(name, stream, plan, workspace, p);
  if (plan.splits > 1)
    finish_runs(name, stream, plan, workspace, static_cast<int>(p.m), static_cast<int>(p.n),
                p.output, rows);
}

// dense_product.cuh for T.
#define KT_DENSE_PRODUCTS(T)                                                                    \
  template void dense_product_runs<T>(const char*, CudaStream, const ProductPlan&, Span<float>, \
                                      const DenseProduct<T>&);                                  \
  template void dense_product<T>(const char*, CudaStream, const ProductPlan&, Span<float>,      \
                                 const DenseProduct<T>&, const RowSumRuns&);

}  // namespace ktrain::product

namespace ktrain::cuda {

template <class T, class C>
void gemm(CudaStream stream, Rows<const T> a, Rows<const T> b, Span<const Wide<T>> bias,
          Span<Wide<T>> workspace, Rows<C> c, const GemmOptions& options,
          const GemmSides<T>& sides) {
  const std::int64_t wanted =
      gemm_workspace<T>(a, b, bias, {nullptr, c.rows, c.cols}, options, sides);
  check_sides(sides, c, options);
  KT_CHECK(workspace.size >= wanted, "gemm: workspace has {} elements, wanted {}", workspace.size,
           wanted);
  const Span<float> sums = sides.row_sums;
  if (c.rows == 0 || (c.cols == 0 && sums.empty())) return;
  product::DenseProduct<T> p;
  p.m = c.rows;
  p.n = c.cols;
  p.k = options.transpose_a ? a.rows : a.cols;
  p.a = a.data;
  p.b = b.data;
  p.a_along_k = !options.transpose_a;
  p.b_along_k = options.transpose_b;
  p.output.write_to(c.data);
  p.output.cols = static_cast<int>(c.cols);
  p.output.shift = bias.empty() ? nullptr : bias.data;
  p.output.relu = options.relu;
  p.output.end = product::quad_end(sides.end);
  p.output.align();
  ProductShape shape = matrix_product(p.m, p.n, p.k, options.transpose_a, options.transpose_b);
  shape.precision = std::is_same_v<T, float> ? options.precision : Precision::kBf16;
  const ProductPlan plan = plan_product(gpu_architecture(), shape);
  // Sums of a k that is cut stand behind the runs of c.
  const bool cut = plan.splits > 1 && !sums.empty();
  if (!sums.empty()) p.row_sums = cut ? workspace.data + product_workspace(plan, shape) : sums.data;
  product::dense_product("gemm", stream, plan, workspace, p,
                         {p.row_sums, cut ? sums.data : nullptr});
}

// gemm.h for T and C.
#define KT_GEMM(T, C)                                                                     \
  template void gemm<T, C>(CudaStream, Rows<const T>, Rows<const T>, Span<const Wide<T>>, \
                           Span<Wide<T>>, Rows<C>, const GemmOptions&, const GemmSides<T>&);

}  // namespace ktrain::cuda
