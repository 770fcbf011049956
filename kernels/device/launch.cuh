// The one way to start a kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/device/error.cuh"
#include "kernels/device/port.cuh"
#include "kernels/queue.h"

namespace ktrain {

// Reports what the launch of `kernel` did wrong. With KT_SYNC_LAUNCH=1 in the environment it also
// waits for the kernel, so that a fault is reported by the launch that caused it.
void check_launch(const char* kernel, CudaStream stream);

// Starts `blocks` blocks of `threads` threads, each with `shared_bytes` of dynamic shared memory.
// Arguments are converted to the kernel's parameters. At least one block: a launcher returns on
// empty input before it comes here.
template <class... Params, class... Args>
void launch_with_shared(const char* name, void (*kernel)(Params...), std::int64_t blocks,
                        int threads, std::size_t shared_bytes, CudaStream stream,
                        const Args&... arguments) {
  static_assert(sizeof...(Params) == sizeof...(Args), "as many arguments as the kernel has");
  KT_CHECK(blocks >= 1 && blocks <= std::numeric_limits<std::int32_t>::max(),
           "{}: {} blocks; 1 to 2^31 - 1 can be started", name, blocks);
  const dim3 grid(static_cast<unsigned>(blocks)), block(static_cast<unsigned>(threads));
#if defined(__CUDACC__)
  kernel<<<grid, block, shared_bytes, stream>>>(static_cast<Params>(arguments)...);
#else
  emulation::launch_kernel(name, kernel, grid, block, shared_bytes, stream,
                           static_cast<Params>(arguments)...);
#endif
  check_launch(name, stream);
}

// The same without dynamic shared memory.
template <class... Params, class... Args>
void launch(const char* name, void (*kernel)(Params...), std::int64_t blocks, int threads,
            CudaStream stream, const Args&... arguments) {
  launch_with_shared(name, kernel, blocks, threads, 0, stream, arguments...);
}

// Blocks of `per_block` that cover `size`.
constexpr std::int64_t num_blocks(std::int64_t size, std::int64_t per_block) {
  return (size + per_block - 1) / per_block;
}

// The smallest power of two that is at least `wanted`, at most `limit`: how many lanes stand side
// by side in a row.
constexpr int power_of_two(std::int64_t wanted, int limit) {
  int p = 1;
  while (p < wanted && p < limit) p *= 2;
  return p;
}

}  // namespace ktrain
