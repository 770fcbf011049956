// The named tensors of a model, in the order in which they were made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/tensor.h"

namespace ktrain {

enum class ParameterKind : std::uint8_t {
  kWeight,     // filters and matrices
  kBias,       // biases
  kNormScale,  // gamma of a normalisation
  kNormShift,  // beta of a normalisation
  kBuffer,     // state that is saved but never trained: running statistics
};

struct Parameter {
  std::string name;  // mmdetection's names behind a branch prefix: visible.backbone.conv1.weight
  Tensor value;      // a leaf; requires_grad exactly when trainable
  ParameterKind kind = ParameterKind::kWeight;
  bool trainable = true;
};

class ParameterSet {
 public:
  // Throws Error when the name is taken. Buffers are never trainable. Returns the handle to compute
  // with; it stays valid as the set grows. Memory is accounted to parameters by the caller's scope.
  Tensor add(const std::string& name, Tensor value, ParameterKind kind, bool trainable = true);
  [[nodiscard]] const std::vector<Parameter>& all() const { return all_; }
  [[nodiscard]] std::vector<Parameter>& all() { return all_; }
  // nullptr when there is none.
  [[nodiscard]] const Parameter* find(std::string_view name) const;
  [[nodiscard]] Parameter* find(std::string_view name);
  // Elements of all weights and biases (no buffers) whose name starts with `prefix`.
  [[nodiscard]] std::int64_t count(std::string_view prefix = "", bool trainable_only = false) const;

 private:
  std::vector<Parameter> all_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace ktrain
