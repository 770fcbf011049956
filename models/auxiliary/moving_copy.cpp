#include "models/auxiliary/moving_copy.h"

#include "runtime/ops_alignment.h"

namespace ktrain {

MovingCopy::MovingCopy(const Maker& root, double momentum)
    : root_(root), momentum_(momentum), copies_(std::make_unique<ParameterSet>()) {
  KT_CHECK(momentum >= 0 && momentum < 1, "moving copy: momentum is {}", momentum);
}

Maker MovingCopy::maker() { return root_.into(*copies_).frozen(true); }

void MovingCopy::bind() {
  pairs_.clear();
  for (const Parameter& copy : copies_->all()) {
    const Parameter* const source = root_.parameters().find(copy.name);
    KT_CHECK(source != nullptr, "moving copy: the model has no parameter '{}'", copy.name);
    KT_CHECK(source->value.shape() == copy.value.shape(), "moving copy: '{}' is {}, its copy is {}",
             copy.name, source->value.shape().text(), copy.value.shape().text());
    // What is not trained stands still, but for statistics.
    pairs_.push_back({source->value.detached(), copy.value, source->trainable});
  }
}

void MovingCopy::follow(bool first) {
  for (Pair& pair : pairs_) {
    if (first || !pair.averaged)
      copy_into(pair.copy, pair.source);
    else
      blend_into(pair.copy, pair.source, momentum_);
  }
}

std::vector<NamedTensor> MovingCopy::state(const std::string& prefix) const {
  std::vector<NamedTensor> all;
  for (const Parameter& copy : copies_->all())
    all.push_back({prefix + "." + copy.name, copy.value});
  return all;
}

}  // namespace ktrain
