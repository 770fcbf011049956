// How much memory a training step will take, known before the first one runs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "runtime/context.h"

namespace ktrain {

struct MemoryPlan {
  Device device = Device::kCpu;
  std::int64_t batch = 0;
  MemoryUsage usage;                 // of one step at `batch`, by use
  std::int64_t bytes_per_pair = 0;   // what one more pair in the batch adds
  std::int64_t available_bytes = 0;  // what the machine, or its GPU, can still give
  std::int64_t largest_batch = 0;  // that fits into available_bytes; 0 when not even one pair does
};

// Runs `step(batch)` twice without its kernels (Queue::planning), for `batch` and one pair more,
// and reads off what it takes. `step` must build its whole batch itself and leave nothing behind.
// Memory that lives already (parameters, optimizer) is part of the usage but not asked from
// available_bytes again where it was written before.
[[nodiscard]] MemoryPlan plan_memory(Context& context, std::int64_t batch,
                                     const std::function<void(std::int64_t)>& step);

// The table for people: a line per use, the peak, the machine, the largest batch.
[[nodiscard]] std::string memory_table(const MemoryPlan& plan);

// One line more: what a step that is probed takes beyond a plain one.
[[nodiscard]] std::string probe_memory_line(const MemoryPlan& plain, const MemoryPlan& probed);

// Throws Fault KT-SYS-002 when the plan does not fit, with the table's numbers and the batch that
// does.
void check_fits(const MemoryPlan& plan);

}  // namespace ktrain
