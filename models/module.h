// How a module of the detector gets its parameters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/parameters.h"
#include "runtime/random.h"

namespace ktrain {

// Whether batch normalisation may use, and move, the statistics of the batch.
enum class Mode : std::uint8_t { kTrain, kEval };

// Makes parameters under a prefix, in one set, from one seed. A cheap value: modules are built from
// `maker / "layer1"`, which makes what stands below that name.
class Maker {
 public:
  // `context` and `parameters` must outlive the maker; modules keep only tensors.
  Maker(const ContextPtr& context, ParameterSet& parameters, std::uint64_t seed)
      : context_(context), parameters_(&parameters), seed_(seed) {}

  [[nodiscard]] Maker operator/(std::string_view name) const;
  // The same place; what is made from there on is excluded from training when `on`.
  [[nodiscard]] Maker frozen(bool on) const;

  [[nodiscard]] Tensor weight(std::string_view name, const Shape& shape,
                              const Initial& initial) const;
  [[nodiscard]] Tensor vector(std::string_view name, std::int64_t size, double value,
                              ParameterKind kind) const;

  // The full name of what is made here under `name`.
  [[nodiscard]] std::string full_name(std::string_view name) const {
    return prefix_ + std::string(name);
  }
  // The same place in another set.
  [[nodiscard]] Maker into(ParameterSet& parameters) const;

  [[nodiscard]] ParameterSet& parameters() const { return *parameters_; }
  [[nodiscard]] bool is_frozen() const { return frozen_; }
  [[nodiscard]] const ContextPtr& context() const { return context_; }

 private:
  [[nodiscard]] Tensor add(std::string_view name, const Shape& shape, const Initial& initial,
                           ParameterKind kind) const;

  ContextPtr context_;
  ParameterSet* parameters_;
  std::uint64_t seed_;
  std::string prefix_;
  bool frozen_ = false;
};

}  // namespace ktrain
