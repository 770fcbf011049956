// A device with its queue and its memory: where tensors live and ops run.
#pragma once

#include <memory>

#include "kernels/device/stream.h"
#include "kernels/queue.h"
#include "runtime/arena.h"

namespace ktrain {

// Shared by all tensors made in it, so that it outlives them. Not thread-safe but for its memory:
// one thread builds and runs the ops of a context.
struct Context {
  Context() = default;
  Context(Device device, ArenaMemory memory, std::int64_t capacity_bytes);

  Queue queue;
  Arena memory;
  // New memory is filled with NaN bytes, so that a kernel which reads what nobody wrote is seen.
  bool poison = false;
  std::unique_ptr<Stream> stream;  // the queue's, on a GPU

  // Of runtime/fork.h. Lane 1 is the queue's own stream, lane 2 the one beside it.
  static constexpr int kLanes = 2;
  struct Side {
    Stream stream;
    Event begin, end;  // of the lanes
    bool entered = false;
  };
  int lane = 0;            // that ops run in; 0: none
  std::int64_t forks = 0;  // so far
  std::unique_ptr<Side> side;
};
using ContextPtr = std::shared_ptr<Context>;

// A context on the CPU.
[[nodiscard]] ContextPtr make_cpu_context();

// A context on the GPU: `capacity_bytes` in one allocation, and there is never another. Throws
// Fault KT-SYS-002 when the GPU does not have them.
[[nodiscard]] ContextPtr make_cuda_context(std::int64_t capacity_bytes);

// A context in which nothing runs and no memory is touched, on a device that need not be there:
// what is made in it tells how much memory the same would take on the device, to the byte.
[[nodiscard]] ContextPtr make_planning_context(Device device);

}  // namespace ktrain
