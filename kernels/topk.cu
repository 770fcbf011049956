// A block per row. Passes over the row count the leading digits of the scores until at most
// kSharedEntries of them can be among the k best; these are gathered and sorted in shared memory,
// the only ones that ever are. See kernels/device/select.cuh.
#include "kernels/topk.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/select.cuh"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 1024;

template <bool kShared>
__global__ void __launch_bounds__(kThreads)
    topk_kernel(const float* scores, std::int64_t cols, std::int64_t k, std::int64_t room,
                std::uint64_t* scratch, std::int32_t* indices) {
  const float* const row = scores + blockIdx.x * cols;
  std::uint64_t* const list = entry_list<kShared>(scratch, room);
  const int found = smallest_entries<kThreads>(
      cols, k, room, [&](std::int64_t i) { return entry_of(descending_key(row[i]), i); }, list);
  for (int i = static_cast<int>(threadIdx.x); i < found; i += kThreads)
    indices[blockIdx.x * k + i] = static_cast<std::int32_t>(place_of(list[i]));
}

}  // namespace

void topk(CudaStream stream, Rows<const float> scores, Rows<std::int32_t> indices,
          Span<std::byte> scratch) {
  KT_CHECK(indices.rows == scores.rows, "topk: scores has {} rows, indices {}", scores.rows,
           indices.rows);
  KT_CHECK(indices.cols <= scores.cols && scores.cols <= std::numeric_limits<std::int32_t>::max(),
           "topk: {} of {} scores asked", indices.cols, scores.cols);
  if (indices.empty()) return;
  const std::int64_t k = indices.cols;
  Scratch carver(scratch);
  const auto lists = carver.take<std::uint64_t>(entry_scratch(scores.rows, k));
  launch("topk", k <= kSharedEntries ? topk_kernel<true> : topk_kernel<false>, scores.rows,
         kThreads, stream, scores.data, scores.cols, k, entry_room(k), lists.data, indices.data);
}

}  // namespace ktrain::cuda
