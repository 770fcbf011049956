// A thread per element, which goes through its blocks from the oldest on: neighbouring threads read
// and write neighbouring elements, nothing is read after it was written, and no thread waits for
// another.
#include "kernels/sketch_blocks.h"

#include "kernels/checks/sketch_blocks.h"
#include "kernels/device/launch.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    push_kernel(const float* newest, std::int64_t size, Bfloat16* finished, int places, int held) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= size) return;
  if (held == places) {
    --held;
    for (int b = 0; b < held; ++b) finished[b * size + i] = finished[(b + 1) * size + i];
  }
  finished[held * size + i] = to_bfloat16(newest[i]);
}

__global__ void __launch_bounds__(kThreads)
    join_kernel(const float* newest, std::int64_t size, Bfloat16* finished, int places) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= size) return;
  for (int b = 0; 2 * b < places; ++b) {
    const int next = 2 * b + 1;
    const float second = next < places ? to_float(finished[next * size + i]) : newest[i];
    finished[b * size + i] = to_bfloat16(to_float(finished[2 * b * size + i]) + second);
  }
}

}  // namespace

void push_block(CudaStream stream, Span<const float> newest, Span<Bfloat16> finished,
                std::int64_t held) {
  const std::int64_t places = check_push_block(newest, finished, held);
  if (newest.empty()) return;
  launch("push_block", push_kernel, num_blocks(newest.size, kThreads), kThreads, stream,
         newest.data, newest.size, finished.data, static_cast<int>(places), static_cast<int>(held));
}

void join_blocks(CudaStream stream, Span<const float> newest, Span<Bfloat16> finished) {
  const std::int64_t places = check_join_blocks(newest, finished);
  if (newest.empty()) return;
  launch("join_blocks", join_kernel, num_blocks(newest.size, kThreads), kThreads, stream,
         newest.data, newest.size, finished.data, static_cast<int>(places));
}

}  // namespace ktrain::cuda
