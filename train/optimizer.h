// AdamW and SGD over the trainable parameters of a set, as torch.optim computes them, after one
// global clip of the gradient norm. Frozen parameters and buffers have no state here and are never
// written.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/adamw.h"
#include "kernels/sgd.h"
#include "runtime/parameters.h"
#include "train/checkpoint_file.h"
#include "train/plan.h"

namespace ktrain {

// Factors on the learning rate and the weight decay of one parameter.
struct Factors {
  double lr = 1.0, decay = 1.0;
  bool operator==(const Factors&) const = default;
};

// The multiplier with the longest prefix that occurs anywhere in the name wins, the first in
// alphabetical order among equals. Without one, norm_decay applies to both parameters of a
// normalisation, bias_decay to other biases. A weight of shape {1}, such as a learned temperature,
// never decays.
[[nodiscard]] Factors factors_for(const Parameter& parameter, const OptimizerPlan& plan);

class Optimizer {
 public:
  // State lives in the context of the parameters, accounted to the optimizer, and starts as zeros.
  // `parameters` must outlive this object and may not grow.
  Optimizer(const OptimizerPlan& plan, ParameterSet& parameters);

  // Told of every parameter that a step changed, with its elements from before.
  using Observer = std::function<void(std::size_t parameter, const Tensor& before)>;

  // One update at rate `lr`, before multipliers. `gradients` as `backward` returns them; parameters
  // whose gradient is undefined stay as they are. A Fault KT-NUM-021 that names the first parameter
  // with a gradient that is not finite, before anything has been written; `pair_ids` are for its
  // message.
  void step(std::span<const Tensor> gradients, double lr,
            const std::vector<std::string>& pair_ids = {}, const Observer& observer = {});

  // The same in two parts, for a device that the host does not wait for. First, while nothing runs:
  // counts the step and returns what numbers() must hold when the second part runs.
  [[nodiscard]] std::span<const float> begin_step(double lr);
  // Then, reading nothing back: measures norm() and clip_scale(), calls `guard`, which may make
  // clip_scale() NaN to keep everything as it is, and updates.
  void enqueue(std::span<const Tensor> gradients, const std::function<void()>& guard,
               const Observer& observer = {});
  // At last, once a step: until then moment() and momentum_scale() are those from before it.
  void end_step() { begun_ = false; }
  // Of one element each, but for the numbers; in the parameters' context.
  [[nodiscard]] const Tensor& norm() const { return norm_; }
  [[nodiscard]] const Tensor& clip_scale() const { return clip_factor_; }
  [[nodiscard]] const Tensor& numbers() const { return numbers_; }

  // The global L2 norm of the last step's gradients before clipping; 0 before the first step.
  [[nodiscard]] double gradient_norm() const { return gradient_norm_; }
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  // The factor that the last step's clip put on the gradient; 1 before the first step.
  [[nodiscard]] double clip_factor() const;
  // (1 - beta1) / (1 - beta1^t) after t steps: what AdamW adds of a new gradient to what it moves
  // by. 1 for SGD.
  [[nodiscard]] double momentum_scale() const;

  // The step with `gradients` at rate `lr`, taken only to see where it leads: `look` is called with
  // the weights as they would be; then weights and state are what they were, to the bit. A copy of
  // the weights lives meanwhile. False, without a call, where `gradients` are not finite; after
  // begin_step, whose rate is `lr` then, nothing is read: norm() tells.
  bool look_ahead(std::span<const Tensor> gradients, double lr, const std::function<void()>& look);

  // One parameter's part, `parameter` counting in the set.
  struct Moment {
    Tensor second;          // AdamW's v; undefined with SGD
    double root_scale = 0;  // sqrt(1 - beta2^t) after t steps
    double epsilon = 0;
    double lr = 1;  // the parameter's multiplier
  };
  // nullopt for a parameter that is not trained.
  [[nodiscard]] std::optional<Moment> moment(std::size_t parameter) const;

  // "optimizer.step" and, by parameter, "optimizer.m.<name>" and "optimizer.v.<name>" (AdamW) or
  // "optimizer.momentum.<name>" (SGD). Refers to this object's memory.
  [[nodiscard]] std::vector<NamedArray> state() const;
  // The reverse, bit for bit. A Fault when the file's optimizer is of another kind or for other
  // parameters; then nothing has been changed.
  void restore(const LoadedCheckpoint& from);

  // What --dry-run prints: each distinct pair of factors with its parameters and elements.
  [[nodiscard]] std::string groups_text() const;

 private:
  struct Slot {
    std::size_t index;  // in parameters.all() and in the gradients
    std::size_t group;
    Tensor first, second;  // m and v, or the momentum alone
  };

  [[nodiscard]] bool adamw() const { return plan_.kind == "adamw"; }
  [[nodiscard]] const Parameter& parameter(const Slot& slot) const;
  std::vector<std::pair<std::string, Tensor>> named_state() const;
  void measure(std::span<const Tensor> gradients);
  void make_numbers(double lr);
  void write_numbers(double lr);
  // All of `slots` that have a gradient.
  void update(std::span<const Slot> slots, std::span<const Tensor> gradients);
  void update_all(std::span<const Tensor> gradients, const Observer& observer);
  // Steps before the one that is under way.
  [[nodiscard]] std::int64_t done() const { return steps_ - (begun_ ? 1 : 0); }

  OptimizerPlan plan_;
  ParameterSet& parameters_;
  std::vector<Factors> groups_;
  std::vector<Slot> slots_;
  std::int64_t steps_ = 0;
  bool begun_ = false;  // by begin_step, and not ended
  double gradient_norm_ = 0;
  Tensor norm_, clip_factor_, numbers_;  // numbers_: one row per group
  Tensor clip_scratch_;                  // enough when every parameter has a gradient
  // Kept from step to step, so that a step allocates nothing.
  std::vector<Span<const float>> spans_;
  std::vector<AdamwTensor<float>> adamw_tensors_;
  std::vector<SgdTensor<float>> sgd_tensors_;
  std::vector<float> host_numbers_;
};

}  // namespace ktrain
