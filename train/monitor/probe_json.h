// A ProbeRecord as one line of a run's monitor.jsonl, and that file as a whole.
//
//   {"kind":"probe","step":50,"epoch":1,"losses":["det","macl"],"detection":1,"values":[..],
//    "weights":[..],"lr":..,"momentum_scale":..,"clip":..,"clip_det":..,"gradient_norm":..,
//    "groups":{"visible.stem":{"elements":..,"gram":[..],"pgram":[..],"rv":..},..},
//    "features":{"visible.p2":[..]},"predicted":[..],"real":[..],"reversed":["domain"],
//    "seconds":..,"interval":..}
//
// Grams are upper triangles, row by row. "pgram", "rv", "features", "predicted", "real" and
// "reversed" are left out where the record has none; "share":true marks a group that is part of
// another. Numbers are written with as many digits as bring the same double back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "train/monitor/probe_record.h"

namespace ktrain {

// At most this many losses, and bytes in a line: what a reader checks before it takes memory.
inline constexpr std::size_t kMostLosses = 16;
inline constexpr std::size_t kMostLineBytes = std::size_t{4} << 20;

// One line, without its end. Throws Error when the record contradicts itself (as a reader would
// find) or holds a number that is not finite: what was not measured is not written.
[[nodiscard]] std::string to_json(const ProbeRecord& record);

// Throws Fault KT-DATA-060 with file:line, the place within the line, what was found and wanted.
[[nodiscard]] ProbeRecord probe_from_json(std::string_view line, const std::string& file,
                                          std::int64_t line_number);

// A line of another kind ("window", "loo", "alarm", "audit", "drift", "embedding", or one that a
// later version writes): a JSON object with a kind, a step and an epoch, in the writer's words.
struct MonitorLine {
  std::int64_t number = 0;  // in the file, from 1
  std::string kind;
  std::int64_t step = 0, epoch = 0;
  std::string text;
};

struct MonitorLog {
  std::string file;
  std::vector<ProbeRecord> probes;  // in the order of the file
  std::vector<MonitorLine> others;
  bool torn = false;  // what follows the last line's end is no line yet: the run is writing it
};

// The monitor.jsonl of a run folder. Throws Fault: KT-DATA-061 when the folder or the file is not
// there, KT-DATA-060 when a complete line is damaged.
[[nodiscard]] MonitorLog read_monitor_log(const std::filesystem::path& run);

// The same of a text; `file` is its name in messages.
[[nodiscard]] MonitorLog parse_monitor_log(std::string_view text, const std::string& file);

}  // namespace ktrain
