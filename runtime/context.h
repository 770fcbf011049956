// A device with its queue and its memory: where tensors live and ops run.
#pragma once

#include <memory>

#include "kernels/queue.h"
#include "runtime/arena.h"

namespace ktrain {

// Shared by all tensors made in it, so that it outlives them. Not thread-safe but for its memory:
// one thread builds and runs the ops of a context.
struct Context {
  Queue queue;
  Arena memory;
  // New memory is filled with NaN bytes, so that a kernel which reads what nobody wrote is seen.
  bool poison = false;
};
using ContextPtr = std::shared_ptr<Context>;

// A context on the CPU.
[[nodiscard]] ContextPtr make_cpu_context();

}  // namespace ktrain
