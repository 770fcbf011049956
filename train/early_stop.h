// Which validation was the best, and whether to stop. The rule looks at a level, not at
// improvement: a value on the wrong side of the threshold counts against patience, a value on the
// right side resets the count, and only epochs from `begin` on are counted. A missing or non-finite
// value is a failure of the run (Fault KT-NUM-010), never a value. Epochs count from 1.
#pragma once

#include <optional>
#include <string>

#include "train/plan.h"

namespace ktrain {

struct StopVerdict {
  bool stop = false;
  bool best = false;   // the best value so far: keep this checkpoint as the best
  std::string reason;  // the counter in words, "" when early stop is off
};

class EarlyStop {
 public:
  explicit EarlyStop(const StopPlan& plan) : plan_(plan) {}

  StopVerdict update(std::int64_t epoch, std::optional<double> value);

  [[nodiscard]] std::int64_t best_epoch() const { return best_epoch_; }  // 0 before the first
  [[nodiscard]] double best_value() const { return best_value_; }
  [[nodiscard]] bool stopped() const { return stopped_; }

  // For checkpoints: a JSON object. `restore` throws Error when the text is not from `state`.
  [[nodiscard]] std::string state() const;
  void restore(const std::string& state);

 private:
  StopPlan plan_;
  std::int64_t best_epoch_ = 0, bad_ = 0;
  double best_value_ = 0.0;
  bool stopped_ = false;
};

}  // namespace ktrain
