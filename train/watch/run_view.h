// What the files of one run say at this moment, read without disturbing it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/json_lines.h"
#include "train/plan_load.h"

namespace ktrain {

// In rising order of trouble; the values are exit codes of `ktrain watch`.
enum class Health { kHealthy = 0, kDegraded = 2, kStopped = 3, kCrashed = 4 };
[[nodiscard]] const char* health_name(Health health);

struct LossState {
  std::string name;
  std::optional<double> value;   // mean of the last window; none: not finite
  std::optional<double> weight;  // as applied in its last step
  // The last value of the weight's schedule, when run.cfg has one and it moves.
  std::optional<double> target;
};

struct ActiveAlarm {
  std::int64_t step = 0;
  std::string level, group, loss, text;
};

struct RunState {
  // STATUS's, or "starting" (the lock is held, STATUS is old or missing), "crashed".
  std::string state;
  Health health = Health::kHealthy;
  std::vector<std::string> reasons;            // why it is not healthy
  std::vector<std::string> notes;              // what could not be read
  bool held = false;                           // a living process holds the folder
  std::optional<std::int64_t> process;         // of that process
  std::optional<std::int64_t> resident_bytes;  // of that process, when it runs on this machine

  std::int64_t step = 0, steps = 0, epoch = 0, epochs = 0;  // 0: not known
  std::optional<double> pairs_per_second, seconds_left;     // training alone
  std::optional<double> age_seconds;                        // since the run last wrote anything
  std::optional<double> loss, learning_rate, gradient_norm;
  std::vector<LossState> losses;
  nlohmann::json last, best;        // validation records; null before the first
  std::string metric;               // that "best" goes by
  std::string stop_reason;          // early stop's counter in words; "" when it is off
  std::vector<ActiveAlarm> alarms;  // those that are active, of every level
  std::int64_t checkpoints = 0, newest_checkpoint = 0;  // files of steps, and the highest step
  bool has_best_checkpoint = false;
  std::int64_t probes = 0;  // of the conflict monitor; 0 without one
};

class RunView {
 public:
  // `stall_seconds` 0: by the pace of the run's own lines.
  RunView(std::string path, double stall_seconds);
  RunView(const RunView&) = delete;
  RunView& operator=(const RunView&) = delete;

  // Never throws for what the folder holds or lacks.
  [[nodiscard]] RunState refresh();

 private:
  void read_plan(RunState& state);
  void read_scalars(RunState& state);
  void read_alarms(RunState& state);
  void judge(RunState& state) const;
  [[nodiscard]] double patience_seconds(const RunState& state) const;

  std::string path_;
  double stall_seconds_;
  JsonLines scalars_, monitor_;
  nlohmann::json train_;                     // the last record of training
  std::vector<nlohmann::json> validations_;  // in order
  std::map<std::pair<std::string, std::string>, ActiveAlarm> alarms_;
  std::int64_t probes_ = 0;
  std::string plan_text_, plan_error_;
  std::optional<ResolvedPlan> plan_;
};

}  // namespace ktrain
