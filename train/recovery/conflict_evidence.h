// What the conflict monitor's records of a run say about one loss.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ktrain {

// The windows of one layer group, by where the interval of the cross-batch cosine lies.
struct GroupWindows {
  std::string group;
  std::string loss;          // as the monitor measured it: "macl+dhn" where it takes both as one
  std::int64_t windows = 0;  // those that speak of this pair of losses; no two share a probe
  std::int64_t against = 0;  // upper bound below -delta
  std::int64_t clear = 0;    // lower bound above -delta
  std::int64_t noise = 0;    // below the noise: nothing can be said
  std::int64_t alarms = 0;   // records of level "alarm" for the group and loss
  double mean = 0;           // of the windows with a value
  double lowest_hi = 0;      // the lowest upper bound, 0 without any
  std::int64_t line = 0;     // of the window with it
};

struct ConflictEvidence {
  std::string run, file;                  // name, monitor.jsonl
  std::int64_t probes = 0, windows = 0;   // of the run; windows that share no probe
  std::vector<std::string> losses = {};   // what its last window compares
  std::vector<GroupWindows> groups = {};  // those that both losses train
  // By epoch, what the step's share of the loss did to detection on other images: the last "loo"
  // record. Shown beside the windows; the verdict does not depend on it.
  std::map<std::int64_t, std::string> left_out = {};
};

struct ConflictVerdict {
  std::string status, why;
};

// From <folder>/monitor.jsonl, the windows of separate_windows(). Groups in which one of the two
// losses has no gradient in any probe (its own head, the RPN) are left out: there is nothing to
// conflict about. No groups when there is no such file or no window speaks of the loss. Faults
// KT-CMP-002 and KT-DATA-060 when a record is broken.
[[nodiscard]] ConflictEvidence conflict_evidence(const std::string& run, const std::string& folder,
                                                 const std::string& loss, double delta);

// The rule of train/recovery/hypothesis.h. `measured` has at least one run, each with groups.
[[nodiscard]] ConflictVerdict weigh(const std::vector<ConflictEvidence>& measured,
                                    std::int64_t windows, double share);

[[nodiscard]] std::string text_of(const ConflictEvidence& run, const GroupWindows& group);
// Why a run without groups says nothing of the loss.
[[nodiscard]] std::string why_nothing(const ConflictEvidence& run, const std::string& loss);

}  // namespace ktrain
