// Products of plain matrices, for matrix products and for convolutions of one tap. gemm.cu has it.
#pragma once

#include "kernels/device/product_operands.cuh"
#include "kernels/product_plan.h"
#include "kernels/queue.h"

namespace ktrain::product {

// output = a b, a of m x k and b of k x n.
struct DenseProduct {
  std::int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  const float* b = nullptr;
  bool a_along_k = true;         // a's memory is m x k, row by row, else k x m
  bool b_along_k = false;        // b's is n x k, else k x n
  const float* scale = nullptr;  // of b's rows, where b_along_k is false
  DenseOutput output;
};

// `workspace` holds product_workspace() floats of the plan. At least one element of c.
void dense_product(const char* name, CudaStream stream, const ProductPlan& plan,
                   Span<float> workspace, const DenseProduct& product);
// The same; where the plan cuts k the runs are left in the workspace for the caller to add.
void dense_product_runs(const char* name, CudaStream stream, const ProductPlan& plan,
                        Span<float> workspace, const DenseProduct& product);

}  // namespace ktrain::product
