#include "train/gpu_memory.h"

#include <optional>

namespace ktrain {

GpuMemoryPlan plan_gpu_memory(const Plan& plan, const Timeline& timeline, const BatchShape& train,
                              const BatchShape& val) {
  const ContextPtr context = make_planning_context(Device::kCuda);
  TrainingStep training(context, plan);
  const auto step = [&, steps = training.unlike_steps(timeline)](const BatchTensors& tensors) {
    for (const std::int64_t at : steps)
      (void)training.run({tensors.input(), timeline, at, {}, {}, false});
  };
  const auto tensors = [&](std::int64_t batch, const BatchShape& shape) {
    return BatchTensors(context, batch, shape.padded, shape.max_boxes);
  };
  GpuMemoryPlan found;
  found.step = plan_memory(*context, plan.train.batch,
                           [&](std::int64_t batch) { step(tensors(batch, train)); });
  // The run itself, its parts made in the same order: blocks will lie where they lie here.
  context->memory.reset_peak();
  const BatchTensors trained = tensors(plan.train.batch, train);
  const BatchTensors validated = tensors(plan.train.batch, val);
  step(trained);
  std::optional<AverageScope> averaged;
  if (training.average()) averaged.emplace(*training.average());
  (void)training.detector().predict(validated.input());
  averaged.reset();
  found.bytes = context->memory.usage().high_water_bytes;
  return found;
}

}  // namespace ktrain
