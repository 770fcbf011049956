// Who hurts whom, over a whole run: for every layer group and auxiliary loss the mean
// preconditioned cosine with detection, with an interval that holds for all cells together and
// however often one looks (the alarm rule's, both sides), and a verdict.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/monitor/alarm.h"
#include "train/monitor/probe_record.h"

namespace ktrain {

enum class Verdict : std::uint8_t {
  kGrey,      // cannot tell: too few probes, r1 > .3, or the interval covers -delta
  kNone,      // the interval lies above -delta
  kConflict,  // the interval lies below -delta
};
[[nodiscard]] std::string_view verdict_name(Verdict verdict);  // "grey", "none", "conflict"

struct HarmCell {
  std::string group, loss;
  double mean = 0, lo = 0, hi = 0;
  double r1 = 0;
  std::int64_t n = 0;
  std::optional<double> tax;  // median
  Verdict verdict = Verdict::kGrey;
  std::string reason;  // of grey: "few probes", "serial correlation", "covers the margin"
};

// Groups in the records' order, losses in theirs. Cells without a value are left out.
[[nodiscard]] std::vector<HarmCell> who_hurts_whom(std::span<const ProbeRecord> probes,
                                                   const AlarmOptions& options = {});

}  // namespace ktrain
