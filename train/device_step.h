// A training step on a GPU, without the host in it: what changes from step to step goes there in
// pinned memory, what the step measured comes back the same way and is read when later steps are on
// their way, and a step whose numbers are not finite changes no weight, nor does any after it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/device/timer.h"
#include "models/auxiliary/auxiliary.h"
#include "runtime/readback.h"
#include "runtime/replay.h"
#include "runtime/staging.h"
#include "train/objective.h"
#include "train/optimizer.h"

namespace ktrain {

// What came back of one step.
struct StepNumbers {
  std::vector<double> terms;  // unweighted, in their order
  double total = 0;
  double gradient_norm = 0;
  std::vector<Measured> auxiliary;  // of the auxiliary terms
  double seconds = 0;               // from begin() to send(), by the GPU's clock
};

class DeviceStep {
 public:
  // For `terms` loss terms, `auxiliary` of which from the place `first` on measure more than their
  // values. `changing` is what begin() writes besides. `optimizer` must outlive this object.
  DeviceStep(const ContextPtr& context, Optimizer& optimizer, std::int64_t terms,
             std::int64_t first = 0, std::int64_t auxiliary = 0,
             const std::vector<Tensor>& changing = {});

  // Before the work of a step: its rate, the weights of its terms and the elements of each changing
  // tensor go to the device.
  void begin(double rate, std::span<const double> weights,
             const std::vector<std::vector<float>>& changing = {});
  // Where the weights of terms that have one other than 0 stand; LossTerm::weights.
  [[nodiscard]] const Tensor& weights() const { return weights_; }

  // Gives `work` to the device, from a graph when it can. `key` as Replay::run has it.
  void run(std::uint64_t key, const std::function<void()>& work) { replay_.run(key, work); }
  // The end of the work: clip, guard, update; `observer` as the optimizer's.
  void update(std::span<const LossTerm> terms, const Tensor& total,
              std::span<const AuxiliaryResult> auxiliary, std::span<const Tensor> gradients,
              const Optimizer::Observer& observer = {});

  // After the work: its numbers are on their way. What read() is asked for.
  std::int64_t send();
  // Waits until the numbers of that step are there; Readback::kRounds steps later they are gone.
  [[nodiscard]] StepNumbers read(std::int64_t sent);

  [[nodiscard]] const Replay& replay() const { return replay_; }

 private:
  Optimizer& optimizer_;
  std::int64_t terms_, first_, auxiliary_;
  Tensor weights_, stopped_;
  Readback readback_;  // terms, total, norm, rows; then kMostMeasured for each auxiliary term
  Staging staging_;
  std::size_t rates_entry_, weights_entry_;
  std::vector<std::size_t> changing_entries_;
  Replay replay_;
  std::array<std::unique_ptr<GpuTimer>, Readback::kRounds> timers_;
  std::size_t timer_ = 0;  // of the step that is under way
};

}  // namespace ktrain
