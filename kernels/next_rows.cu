// A table has some hundred rows: a thread per row looks for its neighbours in both directions, and
// rows are copied by a thread per element, neighbours side by side.
#include "kernels/next_rows.h"

#include "kernels/checks/next_rows.h"
#include "kernels/device/launch.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;

// The first valid row from i on, going round in steps of `step`, which is 1 or rows - 1; i itself
// when there is no other.
__device__ std::int64_t valid_from(const float* valid, std::int64_t rows, std::int64_t i,
                                   std::int64_t step) {
  std::int64_t at = i;
  do at = (at + step) % rows;
  while (at != i && valid[at] == 0.0f);
  return at;
}

__global__ void __launch_bounds__(kThreads)
    next_kernel(const float* valid, std::int64_t rows, std::int32_t* next, std::int32_t* before) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= rows) return;
  const bool moves = valid[i] != 0.0f;  // a NaN is not 0
  next[i] = static_cast<std::int32_t>(moves ? valid_from(valid, rows, i, 1) : i);
  before[i] = static_cast<std::int32_t>(moves ? valid_from(valid, rows, i, rows - 1) : i);
}

__global__ void __launch_bounds__(kThreads)
    take_kernel(const float* x, std::int64_t rows, std::int64_t cols, const std::int32_t* from,
                std::int64_t size, float* y) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= size) return;
  const std::int64_t source = from[i / cols];
  y[i] = source >= 0 && source < rows ? x[source * cols + i % cols] : NAN;
}

}  // namespace

void next_rows(CudaStream stream, Span<const float> valid, Span<std::int32_t> next,
               Span<std::int32_t> before) {
  check_next_rows(valid, next, before);
  if (valid.empty()) return;
  launch("next_rows", next_kernel, num_blocks(valid.size, kThreads), kThreads, stream, valid.data,
         valid.size, next.data, before.data);
}

void take_rows(CudaStream stream, Rows<const float> x, Span<const std::int32_t> from,
               Rows<float> y) {
  check_take_rows(x, from, y);
  if (y.empty()) return;
  launch("take_rows", take_kernel, num_blocks(y.size(), kThreads), kThreads, stream, x.data, x.rows,
         x.cols, from.data, y.size(), y.data);
}

}  // namespace ktrain::cuda
