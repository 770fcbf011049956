// One block walks over the rows, of which a table has some thousands at most, and counts on the
// way: whole numbers, whose sum has no order.
#include "kernels/row_labels.h"

#include "kernels/check.h"
#include "kernels/checks/row_labels.h"
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

__global__ void __launch_bounds__(kThreads)
    accuracy_kernel(const float* logits, const std::int32_t* labels, std::int64_t size,
                    float* share) {
  std::int64_t* const scratch =
      shared_array<std::int64_t, kThreads / kWarpSize, struct AccuracyScratch>();
  std::int64_t halves = 0, rows = 0;
  for (std::int64_t r = threadIdx.x; r < size; r += kThreads) {
    const std::int32_t label = labels[r];
    if (label != 0 && label != 1) continue;
    const float own = logits[2 * r + label], other = logits[2 * r + 1 - label];
    halves += own > other ? 2 : own == other ? 1 : 0;
    ++rows;
  }
  halves = block_reduce<kThreads>(halves, Add{}, std::int64_t{0}, scratch);
  rows = block_reduce<kThreads>(rows, Add{}, std::int64_t{0}, scratch);
  if (threadIdx.x == 0)
    share[0] = rows > 0 ? static_cast<float>(halves) / static_cast<float>(2 * rows) : 0.0f;
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

void row_accuracy(CudaStream stream, Rows<const float> logits, Span<const std::int32_t> labels,
                  Span<float> share) {
  check_row_accuracy(logits, labels, share);
  launch("row_accuracy", accuracy_kernel, 1, kThreads, stream, logits.data, labels.data,
         labels.size, share.data);
}

}  // namespace ktrain::cuda
