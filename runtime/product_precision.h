// What products of float maps may round their operands to, on a GPU that has instructions for it
// (kernels/precision.h); elsewhere, and on the CPU, they are not rounded.
//
// While a ProductPrecisionScope lives, conv2d, conv2d_group and linear multiply so, and their
// backward passes do as the forward pass did, whenever they run. Products of Bfloat16 maps are not
// asked.
#pragma once

#include "kernels/precision.h"

namespace ktrain {

class ProductPrecisionScope {
 public:
  explicit ProductPrecisionScope(Precision precision);  // kFloat or kTf32
  ~ProductPrecisionScope();
  ProductPrecisionScope(const ProductPrecisionScope&) = delete;
  ProductPrecisionScope& operator=(const ProductPrecisionScope&) = delete;

 private:
  Precision before_;
};

// The innermost scope's, kFloat outside all of them.
[[nodiscard]] Precision product_precision();

}  // namespace ktrain
