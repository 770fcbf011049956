#include "models/module.h"

namespace ktrain {

Maker Maker::operator/(std::string_view name) const {
  Maker below = *this;
  below.prefix_ += name;
  below.prefix_ += '.';
  return below;
}

Maker Maker::frozen(bool on) const {
  Maker same = *this;
  same.frozen_ = frozen_ || on;
  return same;
}

Maker Maker::into(ParameterSet& parameters) const {
  Maker same = *this;
  same.parameters_ = &parameters;
  return same;
}

Tensor Maker::weight(std::string_view name, const Shape& shape, const Initial& initial) const {
  return add(name, shape, initial, ParameterKind::kWeight);
}

Tensor Maker::vector(std::string_view name, std::int64_t size, double value,
                     ParameterKind kind) const {
  return add(name, {size}, constant(value), kind);
}

Tensor Maker::add(std::string_view name, const Shape& shape, const Initial& initial,
                  ParameterKind kind) const {
  const MemoryUseScope memory(MemoryUse::kParameters);
  const std::string full = full_name(name);
  return parameters_->add(full, initial_tensor(context_, shape, initial, seed_, full), kind,
                          !frozen_);
}

}  // namespace ktrain
