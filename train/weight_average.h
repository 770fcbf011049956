// A moving average of all parameters and buffers, as MMEngine's ExpMomentumEMA computes it:
//   t = 0     average = weights
//   t >= 1    average = (1 - m_t) average + m_t weights,  m_t = (1 - m) exp(-(1 + t) / 2000) + m
// t counts the updates. The average is what is evaluated and, at the end, what is taken.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/parameters.h"
#include "train/checkpoint_file.h"

namespace ktrain {

inline const std::string kAveragePrefix = "average.";

[[nodiscard]] double average_momentum(double momentum, std::int64_t updates);

class WeightAverage {
 public:
  // 0 < momentum <= 1, or Error. `parameters` must outlive this object and may not grow.
  WeightAverage(ParameterSet& parameters, double momentum);

  // After each accepted step.
  void update();

  // The same in two parts, for a device that the host does not wait for. First, while nothing runs:
  // counts the update and returns what factors() must hold when the second part runs.
  [[nodiscard]] std::vector<float> begin_update();
  void enqueue();
  [[nodiscard]] const Tensor& factors() const { return factors_; }
  [[nodiscard]] std::int64_t updates() const { return updates_; }

  // Exchanges the weights with their average, bit for bit; twice is nothing.
  void swap();

  // "average.step" and "average.<name>". Refers to this object's memory.
  [[nodiscard]] std::vector<NamedArray> state() const;
  void restore(const LoadedCheckpoint& from);

 private:
  ParameterSet& parameters_;
  double momentum_;
  std::int64_t updates_ = 0;
  std::vector<Tensor> averages_;  // in the order of the set
  Tensor factors_;                // {2}: of the average, of the weights
};

// The model computes with the average while the scope lives.
class AverageScope {
 public:
  explicit AverageScope(WeightAverage& average) : average_(average) { average_.swap(); }
  ~AverageScope() { average_.swap(); }
  AverageScope(const AverageScope&) = delete;
  AverageScope& operator=(const AverageScope&) = delete;

 private:
  WeightAverage& average_;
};

}  // namespace ktrain
