#include "train/run_setup.h"

#include <algorithm>

#include "kernels/parallel.h"
#include "train/alignment_plan.h"
#include "train/gpu_memory.h"
#include "train/gpu_support.h"
#include "train/model_options.h"

namespace ktrain {

RunSetup::RunSetup(const ResolvedPlan& resolved, const Notice& notice)
    : resolved_(resolved), device_(choose_device(plan().device, gpu_refusal(plan()))) {
  set_num_threads(static_cast<int>(plan().threads));
  data_ = open_data_set(plan().data, plan().threads, notice);
  if (device_.device == Device::kCpu) {
    context_ = make_cpu_context();
    training_.emplace(context_, plan());
  }
  train_loader_.emplace(data_.train.index, *data_.folder, train_loader_options(plan()));
  val_loader_.emplace(data_.val.index, *data_.folder, val_loader_options(plan()));
  timeline_ = {plan().train.epochs, train_loader_->steps_per_epoch()};
  total_steps_ = timeline_.steps();
  if (plan().train.steps > 0) total_steps_ = std::min(total_steps_, plan().train.steps);
  if (device_.device == Device::kCpu)
    plan_on_cpu();
  else
    begin_on_gpu();
  const auto tensors = [&](const Loader& loader) {
    return BatchTensors(context_, plan().train.batch, loader.padded_size(), loader.max_boxes());
  };
  train_tensors_.emplace(tensors(*train_loader_));
  val_tensors_.emplace(tensors(*val_loader_));
}

void RunSetup::plan_on_cpu() {
  memory_ = plan_step_memory(false);
  check_fits(memory_);
  if (!training_->monitor().active()) return;
  probe_memory_ = plan_step_memory(true);
  check_fits(*probe_memory_);
}

// On a GPU everything is planned before anything is there.
void RunSetup::begin_on_gpu() {
  const auto shape = [](const Loader& loader) {
    return BatchShape{loader.padded_size(), loader.max_boxes()};
  };
  const GpuMemoryPlan planned =
      plan_gpu_memory(plan(), timeline_, shape(*train_loader_), shape(*val_loader_));
  memory_ = planned.step;
  check_fits(memory_);
  probe_memory_ = planned.probe;
  if (probe_memory_) check_fits(*probe_memory_);
  context_ = make_cuda_context(planned.bytes);
  training_.emplace(context_, plan());
}

MemoryPlan RunSetup::plan_step_memory(bool probed) {
  return plan_memory(*context_, plan().train.batch, [&](std::int64_t batch) {
    const BatchTensors tensors(context_, batch, train_loader_->padded_size(),
                               train_loader_->max_boxes());
    const auto held_out = [&]() -> const DetectorInput& { return tensors.input(); };
    for (const std::int64_t step : training_->unlike_steps(timeline_))
      (void)training_->run({tensors.input(), timeline_, step, {}, held_out, probed});
  });
}

StepReport RunSetup::train_step(std::int64_t step) {
  const PairBatch& batch = train_loader_->next();
  KT_CHECK(batch.step == step, "train step: the loader gives step {}, wanted {}", batch.step, step);
  train_tensors_->fill(batch);
  pair_ids_.clear();
  for (int i = 0; i < batch.count; ++i)
    pair_ids_.push_back(data_.train.index[batch.indices[static_cast<std::size_t>(i)]].id);
  const auto held_out = [this, step]() -> const DetectorInput& {
    // Full batches of the validation list, one after the other.
    const std::int64_t batches = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(data_.val.index.size()) / plan().train.batch);
    val_loader_->seek(step % batches);
    val_tensors_->fill(val_loader_->next());
    return val_tensors_->input();
  };
  return training_->run({train_tensors_->input(), timeline_, step, pair_ids_, held_out});
}

std::optional<std::vector<metrics::Detections>> RunSetup::detect(
    const std::function<bool()>& stopped) {
  std::optional<AverageScope> averaged;
  if (training_->average()) averaged.emplace(*training_->average());
  return detect_all(training_->detector(), *val_loader_, *val_tensors_, data_.val.index.size(),
                    stopped);
}

std::vector<metrics::Detections> RunSetup::detect_first_batch() {
  val_loader_->seek(0);
  const PairBatch& batch = val_loader_->next();
  val_tensors_->fill(batch);
  return detections_of(training_->detector().predict(val_tensors_->input()), batch.count);
}

namespace {

// What a compatibility switch does to the loss weights, for whoever reads the log.
std::string weights_line(const CompatPlan& compat) {
  const std::string_view notice = weights_notice(compat);
  return notice.empty() ? "" : fmt::format("weights   {}\n", notice);
}

}  // namespace

std::string RunSetup::heading() const {
  return fmt::format("plan      {} ({})\n", resolved_.name, resolved_.file) +
         data_table(plan().data, data_) +
         model_table(training_->detector().options(), training_->parameters()) +
         fmt::format("optimizer {}, weight decay {:g}, clip {:g}\n", plan().optimizer.kind,
                     plan().optimizer.weight_decay, plan().optimizer.clip) +
         training_->optimizer().groups_text() + weights_line(plan().compat) +
         memory_table(memory_) +
         (probe_memory_ ? probe_memory_line(memory_, *probe_memory_) : std::string()) +
         training_->monitor().heading(timeline_) + "\n" +
         fmt::format("machine   {} threads, device {}, seed {}\n", num_threads(),
                     name(device_.device), plan().seed);
}

}  // namespace ktrain
