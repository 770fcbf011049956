// Weights for products in Bfloat16: y[i] = x[i], rounded to the nearest (convert in elementwise.h),
// for every array of a list at once, on CUDA in a launch per 120. Sizes must agree, or Error is
// thrown; empty is a no-op. No two arrays of the list may overlap. The list itself lies on the
// host.
#pragma once

#include <span>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

struct Conversion {
  Span<const float> x;
  Span<Bfloat16> y;
};

namespace cpu {
void convert_list(std::span<const Conversion> list);
}  // namespace cpu

namespace cuda {
void convert_list(CudaStream stream, std::span<const Conversion> list);
}  // namespace cuda

}  // namespace ktrain
