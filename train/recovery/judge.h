// What a run or a sweep came to, and whether that reaches a level.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "train/recovery/recovery_file.h"
#include "train/run_history.h"

namespace ktrain {

using OrderedJson = nlohmann::ordered_json;

// Enough to find and check every number again.
struct Subject {
  std::string name = {}, folder = {};
  std::string state = {};    // "done", "stopped early", "failed"; "swept"
  std::string failure = {};  // of a run that its own numbers have ended: what was not finite
  std::vector<ValidationRecord> validations = {};
  std::int64_t best = -1;                  // of validations; -1: none has the metric
  std::string checkpoint = {}, hash = {};  // of the best: file, SHA-256 of its arrays
  std::string began = {};                  // what the weights of a run began as
  std::string train_hash = {}, val_hash = {};

  [[nodiscard]] const ValidationRecord& best_record() const;
  // {"run", "state", "failure", "validations", "epoch", "step", "metrics", "log", "protocol",
  // "checkpoint", "hash", "began", ...}; a run that failed before its first validation has no
  // "epoch" to "hash".
  [[nodiscard]] OrderedJson evidence() const;
};

struct Trend {
  enum class Kind { kUnknown, kFalling, kStable, kRising };
  Kind kind = Kind::kUnknown;
  std::string text;  // "rising: 0.51 at epoch 1, 0.58 at epoch 4, best 0.58", ...
};

// With fewer than `least` validations: unknown. Falling: the last is worse than the best by more
// than `tolerance`. Otherwise rising when the last is better than the first by more than
// `tolerance`, stable when it is not. One rule for both ends of a curve: a run that climbs and then
// falls is falling, however high it started.
[[nodiscard]] Trend trend_of(const std::vector<ValidationRecord>& validations,
                             const std::string& metric, double tolerance, std::int64_t least);
[[nodiscard]] const char* trend_name(Trend::Kind kind);

struct Criterion {
  std::string name, found, wanted;
  bool holds = false;
};

struct Verdict {
  std::string of, level;
  bool holds = false;
  std::vector<Criterion> criteria;

  [[nodiscard]] OrderedJson json() const;
};

// Every bound is held against the best validation, the one whose checkpoint would be taken; numbers
// of different epochs are never put together. A run that failed reaches nothing.
[[nodiscard]] Verdict judge(const Recovery& recovery, const RecoveryLevel& level,
                            const Subject& subject);

// The better subject by the recovery's metric, the first of equals; those that failed are not among
// them. Fault KT-REC-004 when all have.
[[nodiscard]] const Subject& better_of(const Recovery& recovery,
                                       const std::vector<const Subject*>& subjects);

}  // namespace ktrain
