// Windows of a run that share no probe. The monitor writes one every 16 probes, over more probes
// than that: neighbours share half of theirs or more, so counting them all would count the same
// evidence several times.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "train/monitor/probe_json.h"

namespace ktrain {

struct SeparateWindow {
  std::int64_t line = 0, step = 0;   // of its record in monitor.jsonl
  std::int64_t first = 0, last = 0;  // probes that it covers, counted from 0 in the log
  nlohmann::json json;               // the record

  [[nodiscard]] std::int64_t probes() const { return last + 1 - first; }
};

// As many as there are of those whose probes all lie at `from_step` or later, in step order; the
// last one that was written is always among them if it does. Throws Fault KT-DATA-060 for a window
// without a number of probes, or with more than the log has.
[[nodiscard]] std::vector<SeparateWindow> separate_windows(const MonitorLog& log,
                                                           std::int64_t from_step = 1);

// Whether a loss of the monitor's axis is `loss`, or has it as one of several: "macl+dhn" has
// "dhn".
[[nodiscard]] bool includes_loss(std::string_view axis_loss, std::string_view loss);

}  // namespace ktrain
