// All parts of a run that need no run folder: data, detector, loaders, memory. What --dry-run
// shows, what --fast-check tries and what a run trains with.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "runtime/device.h"
#include "train/batch_tensors.h"
#include "train/data_set.h"
#include "train/memory_plan.h"
#include "train/plan_load.h"
#include "train/training_step.h"
#include "train/validation.h"

namespace ktrain {

class RunSetup {
 public:
  // Reads the data, builds the detector, plans the memory of a step. Throws Fault: whatever is
  // wrong with plan, data or machine is found here, before anything is written but the built-in
  // data set.
  RunSetup(const ResolvedPlan& resolved, const Notice& notice);

  [[nodiscard]] const Plan& plan() const { return resolved_.plan; }
  [[nodiscard]] const ResolvedPlan& resolved() const { return resolved_; }
  [[nodiscard]] const DataSet& data() const { return data_; }
  [[nodiscard]] TrainingStep& training() { return *training_; }
  [[nodiscard]] const TrainingStep& training() const { return *training_; }
  [[nodiscard]] const MemoryPlan& memory() const { return memory_; }
  // Of a step that is probed; nothing where none will be.
  [[nodiscard]] const std::optional<MemoryPlan>& probe_memory() const { return probe_memory_; }
  [[nodiscard]] const Timeline& timeline() const { return timeline_; }
  // Steps until the end: all epochs, or train.steps when that is less.
  [[nodiscard]] std::int64_t total_steps() const { return total_steps_; }

  // One step on the next batch of the training list; `step` counts from 0 and must be the one that
  // follows the last call's, or the one that was sought. On a GPU the step still runs when this
  // returns: TrainingStep::finish.
  StepReport train_step(std::int64_t step);
  void seek(std::int64_t step) { train_loader_->seek(step); }
  // Seconds that steps have waited for data, in all.
  [[nodiscard]] double data_seconds() const { return train_loader_->wait_seconds(); }

  // The whole validation list, with the average of the weights when the plan has one.
  // Asks `stopped` before each batch and gives nothing when it says so.
  [[nodiscard]] std::optional<std::vector<metrics::Detections>> detect(
      const std::function<bool()>& stopped = [] { return false; });
  // The first validation batch alone, with the plain weights: for comparing two detectors.
  [[nodiscard]] std::vector<metrics::Detections> detect_first_batch();

  // What detect() fills, free for others between its calls.
  [[nodiscard]] BatchTensors& validation_tensors() { return *val_tensors_; }

  // Data, model, optimizer, memory and schedules, for people.
  [[nodiscard]] std::string heading() const;

 private:
  void plan_on_cpu();
  void begin_on_gpu();
  [[nodiscard]] MemoryPlan plan_step_memory(bool probed);

  ResolvedPlan resolved_;
  DeviceChoice device_;
  ContextPtr context_;
  DataSet data_;
  std::optional<TrainingStep> training_;
  std::optional<Loader> train_loader_, val_loader_;
  std::optional<BatchTensors> train_tensors_, val_tensors_;
  Timeline timeline_;
  std::int64_t total_steps_ = 0;
  MemoryPlan memory_;
  std::optional<MemoryPlan> probe_memory_;  // of a step that is probed, when there are any
  std::vector<std::string> pair_ids_;
};

}  // namespace ktrain
