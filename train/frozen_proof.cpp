#include "train/frozen_proof.h"

#include <unordered_set>

#include "runtime/fault.h"
#include "runtime/sha256.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

std::string module_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

std::string hash_of(const Parameter& parameter) {
  const NamedArray array = named_array(parameter.name, parameter.value);
  Sha256 hash;
  hash.update(array.bytes.data(), array.bytes.size());
  return hash.hex();
}

}  // namespace

FrozenProof::FrozenProof(const ParameterSet& parameters, Statistics statistics)
    : parameters_(parameters) {
  std::unordered_set<std::string> training;
  for (const Parameter& parameter : parameters.all())
    if (parameter.trainable) training.insert(module_of(parameter.name));
  for (std::size_t i = 0; i < parameters.all().size(); ++i) {
    const Parameter& parameter = parameters.all()[i];
    const bool moves = parameter.kind == ParameterKind::kBuffer &&
                       statistics == Statistics::kMoving &&
                       training.contains(module_of(parameter.name));
    if (!parameter.trainable && !moves) hashes_.emplace_back(i, hash_of(parameter));
  }
}

void FrozenProof::check() const {
  for (const auto& [index, before] : hashes_) {
    const Parameter& parameter = parameters_.all()[index];
    const std::string now = hash_of(parameter);
    if (now != before)
      throw_fault("KT-BUG-002",
                  "'{}' is frozen but has changed: SHA-256 {:.12} at the start, "
                  "{:.12} now",
                  parameter.name, before, now);
  }
}

std::string FrozenProof::hash() const {
  Sha256 all;
  for (const auto& [index, hash] : hashes_) {
    all.update(parameters_.all()[index].name);
    all.update(" ");
    all.update(hash);
    all.update("\n");
  }
  return all.hex();
}

}  // namespace ktrain
