// What the conflict monitor's records of a run say about one loss.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ktrain {

// The windows of one layer group, by where the interval of the cross-batch cosine lies.
struct GroupWindows {
  std::string group;
  std::int64_t windows = 0;  // those that speak of this pair of losses
  std::int64_t against = 0;  // upper bound below -delta
  std::int64_t clear = 0;    // lower bound above -delta
  std::int64_t noise = 0;    // below the noise: nothing can be said
  std::int64_t alarms = 0;   // records of level "alarm" for the group and loss
  double mean = 0;           // of the windows with a value
  double lowest_hi = 0;      // the lowest upper bound, 0 without any
  std::int64_t line = 0;     // of the window with it
};

struct ConflictEvidence {
  std::string run, file;  // name, monitor.jsonl
  std::vector<GroupWindows> groups;
};

struct ConflictVerdict {
  std::string status, why;
};

// From <folder>/monitor.jsonl. No groups when there is no such file or no window speaks of the
// loss. Fault KT-CMP-002 when a record is broken.
[[nodiscard]] ConflictEvidence conflict_evidence(const std::string& run, const std::string& folder,
                                                 const std::string& loss, double delta);

// The rule of train/recovery/hypothesis.h. `measured` has at least one run, each with groups.
[[nodiscard]] ConflictVerdict weigh(const std::vector<ConflictEvidence>& measured,
                                    std::int64_t windows, double share);

[[nodiscard]] std::string text_of(const ConflictEvidence& run, const GroupWindows& group);

}  // namespace ktrain
