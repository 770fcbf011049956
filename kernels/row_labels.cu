// One block walks over the rows, of which a table has some thousands at most, and counts them on
// the way: a whole number, whose sum has no order.
#include "kernels/row_labels.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 1024;

__global__ void __launch_bounds__(kThreads)
    label_kernel(const std::int32_t* rows, std::int64_t size, std::int32_t label,
                 std::int32_t* labels, float* count) {
  std::int64_t* const scratch =
      shared_array<std::int64_t, kThreads / kWarpSize, struct LabelScratch>();
  std::int64_t real = 0;
#pragma unroll 4
  for (std::int64_t r = threadIdx.x; r < size; r += kThreads) {
    const bool padding = rows[r] < 0;
    labels[r] = padding ? -1 : label;
    real += padding ? 0 : 1;
  }
  real = block_reduce<kThreads>(real, Add{}, std::int64_t{0}, scratch);
  if (threadIdx.x == 0) count[0] = static_cast<float>(real);
}

}  // namespace

void row_labels(CudaStream stream, Span<const std::int32_t> rows, Span<std::int32_t> labels,
                Span<float> count, std::int32_t label) {
  KT_CHECK(labels.size == rows.size && count.size == 1,
           "row_labels: {} rows, {} labels, count has {} elements", rows.size, labels.size,
           count.size);
  launch("row_labels", label_kernel, 1, kThreads, stream, rows.data, rows.size, label, labels.data,
         count.data);
}

}  // namespace ktrain::cuda
