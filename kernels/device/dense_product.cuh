// Products of plain matrices, for matrix products and for convolutions of one tap. gemm.cu has it.
#pragma once

#include "kernels/device/product_operands.cuh"
#include "kernels/device/row_sum_runs.cuh"
#include "kernels/product_plan.h"
#include "kernels/queue.h"

namespace ktrain::product {

// output = a b, a of m x k and b of k x n.
template <class T>
struct DenseProduct {
  std::int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;
  const T* b = nullptr;
  bool a_along_k = true;         // a's memory is m x k, row by row, else k x m
  bool b_along_k = false;        // b's is n x k, else k x n
  const float* scale = nullptr;  // of b's rows, for kSimt and with b_along_k false
  DenseOutput<T> output;
  float* row_sums = nullptr;  // Product::row_sums, where neither runs along k
};

// For float (gemm.cu) and Bfloat16 (gemm_bf16.cu; without a scale). `workspace` holds
// product_workspace() floats of the plan. At least one element of c, or sums of rows. `rows`: the
// product's sums, where k is cut, and where they go.
template <class T>
void dense_product(const char* name, CudaStream stream, const ProductPlan& plan,
                   Span<float> workspace, const DenseProduct<T>& product,
                   const RowSumRuns& rows = {});
// The same; where the plan cuts k the runs are left in the workspace for the caller to add.
template <class T>
void dense_product_runs(const char* name, CudaStream stream, const ProductPlan& plan,
                        Span<float> workspace, const DenseProduct<T>& product);

}  // namespace ktrain::product
