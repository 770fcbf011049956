#include "train/gpu_memory.h"

namespace ktrain {

GpuMemoryPlan plan_gpu_memory(const Plan& plan, const Timeline& timeline, const BatchShape& train,
                              const BatchShape& val) {
  const ContextPtr context = make_planning_context(Device::kCuda);
  TrainingStep training(context, plan);
  const auto step = [&](const BatchTensors& tensors) {
    (void)training.run({tensors.input(), timeline, 0, {}, {}, false});
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
  (void)training.detector().predict(validated.input());
  found.bytes = context->memory.usage().high_water_bytes;
  return found;
}

}  // namespace ktrain
