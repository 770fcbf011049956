#include "train/gpu_memory.h"

#include <optional>

#include "train/monitor/drift_monitor.h"

namespace ktrain {
namespace {

// A measurement of drift at either depth.
void plan_drift(const TrainingStep& training, const Plan& plan, const BatchTensors& tensors) {
  const NamedEmbedding heads = trained_heads(training.auxiliary(), plan.loss);
  const PairBatch none;
  for (const Depth depth : {Depth::kLayers, Depth::kEverything}) {
    ActivationRecorder recorder(depth, heads.embedding);
    recorder.begin(none, tensors.input());
    training.detector().observe(tensors.input(), recorder);
  }
}

}  // namespace

GpuMemoryPlan plan_gpu_memory(const Plan& plan, const Timeline& timeline, const BatchShape& train,
                              const BatchShape& val) {
  const ContextPtr context = make_planning_context(Device::kCuda);
  TrainingStep training(context, plan);
  const std::vector<std::int64_t> steps = training.unlike_steps(timeline);
  const auto step = [&](const BatchTensors& tensors) {
    for (const std::int64_t at : steps)
      (void)training.run({tensors.input(), timeline, at, {}, {}, false});
  };
  const auto probe = [&](const Monitor::Extras& extras, const BatchTensors& tensors,
                         const BatchTensors& other) {
    const auto held_out = [&]() -> const DetectorInput& { return other.input(); };
    training.monitor().plan_for(extras);
    for (const std::int64_t at : steps)
      (void)training.run({tensors.input(), timeline, at, {}, held_out, true});
  };
  const std::vector<Monitor::Extras> probes = training.monitor().possible_probes();
  const auto tensors = [&](std::int64_t batch, const BatchShape& shape) {
    return BatchTensors(context, batch, shape.padded, shape.max_boxes);
  };
  GpuMemoryPlan found;
  found.step = plan_memory(*context, plan.train.batch,
                           [&](std::int64_t batch) { step(tensors(batch, train)); });
  if (!probes.empty())
    found.probe = plan_memory(*context, plan.train.batch, [&](std::int64_t batch) {
      const BatchTensors trained = tensors(batch, train);
      probe(probes.back(), trained, trained);
    });
  // The run itself, its parts made in the same order: blocks will lie where they lie here.
  context->memory.reset_peak();
  const BatchTensors trained = tensors(plan.train.batch, train);
  const BatchTensors validated = tensors(plan.train.batch, val);
  step(trained);
  // What takes less may lie where it leaves larger gaps.
  for (const Monitor::Extras& extras : probes) probe(extras, trained, validated);
  std::optional<AverageScope> averaged;
  if (training.average()) averaged.emplace(*training.average());
  (void)training.detector().predict(validated.input());
  averaged.reset();
  if (drift_wanted(plan, training)) plan_drift(training, plan, validated);
  found.bytes = context->memory.usage().high_water_bytes;
  return found;
}

}  // namespace ktrain
