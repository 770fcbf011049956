// What of a probe may be written and remembered: numbers. A step can be sound, and trained on,
// while what is measured beside it overflows; the training's own rule for numbers that are not
// finite decides about the run, the monitor leaves out what it could not measure.
#pragma once

#include <string>
#include <vector>

#include "train/monitor/probe_record.h"

namespace ktrain {

struct Dropped {
  std::string kind;   // "products of gradients", "predicted change", ...
  std::string where;  // a layer group, a level of a pyramid, or ""
  bool operator==(const Dropped&) const = default;
};

inline constexpr const char* kDroppedGradients = "products of gradients";

// Takes out of the record what is not finite: a group, its preconditioned products, a
// feature, the predicted or the measured changes of all losses. Says what.
[[nodiscard]] std::vector<Dropped> drop_non_finite(ProbeRecord& record);

// Whether what is left is a record: detection's share of the clip could be had, and a group is
// there.
[[nodiscard]] bool is_record(const ProbeRecord& record);

}  // namespace ktrain
