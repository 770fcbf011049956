// What gemm.cu and gemm_bf16.cu share: products of plain matrices of T.
#pragma once

#include <type_traits>

#include "kernels/check.h"
#include "kernels/device/dense_product.cuh"
#include "kernels/device/product.cuh"
#include "kernels/gemm.h"

namespace ktrain::product {

template <class T, class A, class B>
void multiply_dense(const char* name, CudaStream stream, const ProductPlan& plan,
                    Span<float> workspace, const DenseProduct<T>& p, const A& a, const B& b) {
  ProductBatch<Product<A, B, DenseOutput<T>>, 1> batch{};
  batch.products[0] = {
      a, b, p.output, static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k)};
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
                   Span<float> workspace, const DenseProduct<T>& p) {
  dense_product_runs(name, stream, plan, workspace, p);
  if (plan.splits > 1)
    finish_runs(name, stream, plan, workspace, static_cast<int>(p.m), static_cast<int>(p.n),
                p.output);
}

// dense_product.cuh for T.
#define KT_DENSE_PRODUCTS(T)                                                                    \
  template void dense_product_runs<T>(const char*, CudaStream, const ProductPlan&, Span<float>, \
                                      const DenseProduct<T>&);                                  \
  template void dense_product<T>(const char*, CudaStream, const ProductPlan&, Span<float>,      \
                                 const DenseProduct<T>&);

struct Size {
  std::int64_t rows, cols;
};

// `output` knows where c of `size` is.
template <class T>
void gemm(CudaStream stream, Rows<const T> a, Rows<const T> b, Span<const float> bias,
          Span<float> workspace, std::int64_t wanted, Size size, const DenseOutput<T>& output,
          const GemmOptions& options) {
  KT_CHECK(workspace.size >= wanted, "gemm: workspace has {} elements, wanted {}", workspace.size,
           wanted);
  if (size.rows == 0 || size.cols == 0) return;
  DenseProduct<T> p;
  p.m = size.rows;
  p.n = size.cols;
  p.k = options.transpose_a ? a.rows : a.cols;
  p.a = a.data;
  p.b = b.data;
  p.a_along_k = !options.transpose_a;
  p.b_along_k = options.transpose_b;
  p.output = output;
  p.output.cols = static_cast<int>(size.cols);
  p.output.shift = bias.empty() ? nullptr : bias.data;
  p.output.relu = options.relu;
  p.output.align();
  ProductShape shape = matrix_product(p.m, p.n, p.k, options.transpose_a, options.transpose_b);
  shape.precision = std::is_same_v<T, float> ? options.precision : Precision::kBf16;
  dense_product("gemm", stream, plan_product(gpu_architecture(), shape), workspace, p);
}

}  // namespace ktrain::product
