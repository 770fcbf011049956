// Small checkpoints whose every value tells their step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/checkpoint.h"

namespace ktrain::test {

inline const Notice kSilent = [](const std::string&) {};

// Arrays of one step: two of float, a counter and an empty one; about a kilobyte.
class StepArrays {
 public:
  explicit StepArrays(std::int64_t step) : weight_(200), m_(17), steps_{step} {
    for (std::size_t i = 0; i < weight_.size(); ++i)
      weight_[i] = static_cast<float>(step) + 0.001f * static_cast<float>(i);
    for (std::size_t i = 0; i < m_.size(); ++i) m_[i] = -weight_[i];
  }

  [[nodiscard]] std::vector<NamedArray> arrays() const {
    return {named_array("head.weight", {10, 20}, std::span(weight_)),
            named_array("optimizer.m.head.weight", {17}, std::span(m_)),
            named_array("optimizer.step", {}, std::span(steps_)),
            named_array("empty", {0, 3}, std::span<const float>())};
  }

 private:
  std::vector<float> weight_, m_;
  std::vector<std::int64_t> steps_;
};

// True when a loaded checkpoint holds exactly what was saved for its step.
inline bool holds_its_step(const LoadedCheckpoint& loaded) {
  const StepArrays wanted(loaded.step());
  const auto want = wanted.arrays();
  if (loaded.arrays().size() != want.size()) return false;
  for (const NamedArray& array : want) {
    const auto found = loaded.bytes(array.spec);
    if (!std::equal(found.begin(), found.end(), array.bytes.begin(), array.bytes.end()))
      return false;
  }
  return true;
}

inline CheckpointOptions silent_options() {
  CheckpointOptions options;
  options.notice = kSilent;
  return options;
}

}  // namespace ktrain::test
