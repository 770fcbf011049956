// What a remedy would have done to the steps that a run's probes recorded, from their Grams.
//
// It answers for each probed step by itself: what the remedy would have made of *these* gradients.
// It does not say where the run would have gone, since after one changed step all others would
// differ. Two stand-ins: pc_asym projects against detection's gradient of the same step, as the
// running mean is not stored; gate and gradvac average over probes, not over steps.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/monitor/probe_record.h"
#include "train/monitor/remedy.h"
#include "train/monitor/statistics.h"

namespace ktrain {

// A mean over probes with its 95 % interval for one look at a fixed number of probes (Student's t,
// widened for serial correlation). Nothing with fewer than two values.
struct ReplayGroup {
  std::string group;
  bool share = false;        // part of another group
  std::int64_t probes = 0;   // in which detection and an auxiliary loss had gradients here
  std::int64_t changed = 0;  // of those
  std::vector<std::optional<Interval>> weights;  // effective, by loss
  // Detection's first-order progress by the step, as a fraction of what detection alone would make:
  // 1 - tax. Before, after, and the difference by pairs.
  std::optional<Interval> before, after, gain;
};

// The predicted first-order change of a loss by one step, over all groups, at the clip coefficient
// that was applied.
struct ReplayLoss {
  std::string loss;
  std::optional<Interval> before, after, difference;
};

struct Replay {
  std::vector<std::string> losses;  // the axis of `weights`
  std::int64_t probes = 0;
  std::int64_t changed = 0;  // probes in which any group's weights changed
  std::vector<ReplayGroup> groups;
  std::vector<ReplayLoss> effects;  // "det" first, then the auxiliary losses
};

// Throws Fault KT-DATA-062 when the probes do not hold what the remedy needs; `file` is named in
// it. Probes whose losses differ from the last one's are left out (the plan changed within the log)
// and counted by `left_out`.
[[nodiscard]] Replay replay(std::span<const ProbeRecord> probes, const RemedyOptions& options,
                            const std::string& file, std::int64_t& left_out);

}  // namespace ktrain
