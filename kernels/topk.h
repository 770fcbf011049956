// The k largest of each row, largest first; of equal values the lower index comes first, so that
// the answer is one. A NaN counts as minus infinity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/device/entry_room.h"
#include "kernels/host_device.h"
#include "kernels/queue.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {

// The total order in which topk and nms list scores.
template <class T>
[[nodiscard]] KT_HOST_DEVICE inline bool ranks_before(const T* scores, std::int32_t i,
                                                      std::int32_t j) {
  const T least = -std::numeric_limits<T>::infinity();
  const T a = scores[i] == scores[i] ? scores[i] : least;
  const T b = scores[j] == scores[j] ? scores[j] : least;
  return a > b || (a == b && i < j);
}

namespace cpu {

// indices: rows x k, k <= scores.cols. Throws Error on other shapes.
template <class T>
void topk(Rows<const T> scores, Rows<std::int32_t> indices);

// The same for one row whose length is not the distance to the next.
template <class T>
void topk_row(Span<const T> scores, Span<std::int32_t> indices);

}  // namespace cpu

namespace cuda {

// Only for k above 4096 are there any bytes of scratch.
void topk(CudaStream stream, Rows<const float> scores, Rows<std::int32_t> indices,
          Span<std::byte> scratch);

[[nodiscard]] inline std::int64_t topk_scratch_bytes(std::int64_t rows, std::int64_t k) {
  Scratch scratch;
  (void)scratch.take<std::uint64_t>(entry_scratch(rows, k));
  return scratch.bytes();
}

}  // namespace cuda
}  // namespace ktrain
