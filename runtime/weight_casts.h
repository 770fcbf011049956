// Weights in the type that products read.
//
// Master weights are float. Convolutions and linear layers of Bfloat16 maps multiply copies of
// Bfloat16, each weight rounded once. While a WeightCastScope lives, every weight is converted at
// its first use, or with others when the scope begins, and found again at the others: one copy a
// pass, whoever shares it. A scope ends with the pass; an update comes later, so that no copy can
// outlive the numbers it was made from. What the backward pass still needs, the tape holds.
#pragma once

#include <memory>
#include <span>

#include "runtime/tensor.h"

namespace ktrain {

class WeightCastScope {
 public:
  // Inside another one it does nothing: the outer one serves.
  WeightCastScope();
  // Converts `weights` (float) to `dtype` at once, on a GPU in a launch per 120; those that have it
  // stay. The others are converted at their first use as ever.
  WeightCastScope(std::span<const Tensor> weights, DType dtype);
  ~WeightCastScope();
  WeightCastScope(const WeightCastScope&) = delete;
  WeightCastScope& operator=(const WeightCastScope&) = delete;

 private:
  struct Casts;
  friend Tensor weight_as(const Tensor& weight, DType dtype);
  static thread_local Casts* current_;
  std::unique_ptr<Casts> own_;  // null inside another scope
};

// `weight` (float, without its history) in `dtype`: itself, or the scope's copy, or a new one.
[[nodiscard]] Tensor weight_as(const Tensor& weight, DType dtype);

}  // namespace ktrain
