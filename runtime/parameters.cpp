#include "runtime/parameters.h"

#include "kernels/check.h"

namespace ktrain {

Tensor ParameterSet::add(const std::string& name, Tensor value, ParameterKind kind,
                         bool trainable) {
  KT_CHECK(value.defined(), "ParameterSet: '{}' has no value", name);
  KT_CHECK(index_.emplace(name, all_.size()).second, "ParameterSet: '{}' is there twice", name);
  const bool trains = trainable && kind != ParameterKind::kBuffer;
  value.set_requires_grad(trains);
  all_.push_back({name, value, kind, trains});
  return value;
}

const Parameter* ParameterSet::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &all_[found->second];
}

Parameter* ParameterSet::find(std::string_view name) {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &all_[found->second];
}

std::int64_t ParameterSet::count(std::string_view prefix, bool trainable_only) const {
  std::int64_t elements = 0;
  for (const Parameter& parameter : all_)
    if (parameter.kind != ParameterKind::kBuffer && parameter.name.starts_with(prefix) &&
        (parameter.trainable || !trainable_only))
      elements += parameter.value.size();
  return elements;
}

}  // namespace ktrain
