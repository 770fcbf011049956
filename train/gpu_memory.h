// The memory of a training run on a GPU: all of it is planned first, then had in one allocation.
#pragma once

#include <optional>

#include "train/batch_tensors.h"
#include "train/memory_plan.h"
#include "train/training_step.h"

namespace ktrain {

// What the tensors of a batch are made for.
struct BatchShape {
  Size padded;
  std::int64_t max_boxes = 0;
};

struct GpuMemoryPlan {
  MemoryPlan step;                  // of one training step, with what the GPU has free
  std::optional<MemoryPlan> probe;  // of one with all that a probe measures; none without a monitor
  // Of a run: model, optimizer, both batches, steps, probes of every kind, validations, drift.
  std::int64_t bytes = 0;
};

// Plans a run in a context without memory; no GPU is needed but for how much it has free.
[[nodiscard]] GpuMemoryPlan plan_gpu_memory(const Plan& plan, const Timeline& timeline,
                                            const BatchShape& train, const BatchShape& val);

}  // namespace ktrain
